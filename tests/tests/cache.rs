//! Answers that a service keeps: who is given them again, byte for byte, and what is never kept.

#[path = "cache/again.rs"]
mod again;
#[path = "cache/anew.rs"]
mod anew;
#[path = "cache/waiting.rs"]
mod waiting;

use anyhow::ensure;
use serde_json::{Value, json};
use tollgate_tests::{Answer, Application, Call, Dialect, Tokens, Trio, eventually::START, rest::text, usage::expect};

/// A service that keeps answers, with one upstream key in each pool.
async fn keeping(trio: &Trio, name: &str, cache: Value) -> anyhow::Result<Application> {
    keeping_with(trio, name, json!({"response_cache": cache})).await
}

async fn keeping_with(trio: &Trio, name: &str, service: Value) -> anyhow::Result<Application> {
    let application = trio.seed.application_with(&trio.rest, name, 1, &service).await?;
    trio.in_force().await?;
    Ok(application)
}

async fn access_key(trio: &Trio, service_id: &str, name: &str) -> anyhow::Result<String> {
    let key = trio.rest.create("access-keys", &json!({"service_id": service_id, "name": name})).await?;
    trio.in_force().await?;
    Ok(text(&key, "secret")?.to_owned())
}

async fn received(trio: &Trio) -> anyhow::Result<usize> {
    Ok(trio.simulator.requests(0).await?.len())
}

fn with_header(mut call: Call, name: &str, value: &str) -> Call {
    call.headers.push((name.to_owned(), value.to_owned()));
    call
}

/// A service whose models `to-openai`, `to-anthropic`, `to-gemini` lead to the provider of that protocol.
async fn translating(trio: &Trio, keys: &Application) -> anyhow::Result<String> {
    let routes: Vec<Value> = (Dialect::ALL.iter())
        .map(|to| {
            let target = json!({"pool_id": keys.keys(*to)[0].pool_id, "model": to.model()});
            json!({"models": [format!("to-{}", to.name())], "targets": [target]})
        })
        .collect();
    let service = json!({"name": "translating", "slug": "translating", "routes": routes,
        "response_cache": {"ttl_seconds": 600}});
    let service = trio.rest.create("services", &service).await?;
    access_key(trio, text(&service, "id")?, "translating").await
}

/// Sends a call twice: the first time a provider answers, the second time nobody is asked.
async fn asked_twice(trio: &Trio, call: &Call) -> anyhow::Result<(Answer, Answer)> {
    let before = received(trio).await?;
    let first = trio.send(call).await?;
    ensure!(first.status == 200, "{} {}", first.status, first.text());
    ensure!(first.header("x-tollgate-cache") == Some("miss"), "{:?}", first.headers);
    ensure!(first.header("age").is_none(), "{:?}", first.headers);
    let second = trio.send(call).await?;
    ensure!(received(trio).await? == before + 1, "the provider was asked again");
    ensure!(second.status == 200 && second.body == first.body, "{} instead of {}", second.text(), first.text());
    ensure!(second.header("x-tollgate-cache") == Some("hit"), "{:?}", second.headers);
    ensure!(second.header("age").is_some_and(|age| age.parse::<u64>().is_ok_and(|age| age < 60)));
    for same in ["content-type", "x-tollgate-provider", "x-tollgate-model", "x-tollgate-adapted"] {
        ensure!(second.header(same) == first.header(same), "{same}: {:?}", second.headers);
    }
    ensure!(second.header("x-tollgate-attempts") == Some("0"), "{:?}", second.headers);
    ensure!(second.request_id()? != first.request_id()?);
    Ok((first, second))
}

async fn is_recorded_as_hit(trio: &Trio, first: &Answer, second: &Answer) -> anyhow::Result<()> {
    let asked = trio.rest.event(first.request_id()?, START).await?;
    let hit = trio.rest.event(second.request_id()?, START).await?;
    expect(&asked, "/cache", &json!("miss"))?;
    expect(&hit, "/cache", &json!("hit"))?;
    expect(&hit, "/outcome", &json!("ok"))?;
    expect(&hit, "/status", &json!(200))?;
    expect(&hit, "/attempts", &json!([]))?;
    expect(&hit, "/provider_id", &Value::Null)?;
    expect(&hit, "/model_served", &asked["model_served"])?;
    expect(&hit, "/stream", &asked["stream"])?;
    ensure!(Tokens::of(&hit)? == Tokens::of(&asked)? && Tokens::of(&hit)?.output > 0, "{hit}");
    expect(&hit, "/usage/source", &json!("provider"))
}
