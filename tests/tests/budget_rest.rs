//! The rest of a hard budget: what requests in flight have reserved may come back, so nobody is refused for good because of
//! it, and what lies in small parts at several proxies is put together for the last requests.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tollgate_tests::{
    Answer, Call, Dialect, Trio,
    budgets::{at_once, bounded, count, hard, is_final, micros, priced, spent},
    eventually::{START, eventually},
    rest::text,
    seed::known,
};

/// A further access key of the application's service; its id and its secret.
async fn key(trio: &Trio, service_id: &str, amount: &str) -> anyhow::Result<(String, String)> {
    let key = json!({"service_id": service_id, "name": "budgeted", "budget": hard(amount)});
    let key = trio.rest.create("access-keys", &key).await?;
    trio.in_force().await?;
    Ok((text(&key, "id")?.to_owned(), text(&key, "secret")?.to_owned()))
}

#[tokio::test]
async fn what_others_have_reserved_is_refused_for_a_moment_and_in_each_dialect() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    // One reservation of 4096 tokens of output, and nearly nothing else.
    let (id, secret) = key(&trio, &application.service_id, "0.036").await?;
    let slow = Call::chat(Dialect::OpenAi, &secret, "gpt-sim-latency-2500", false);
    let before = trio.simulator.newest().await?;
    let mut running = JoinSet::new();
    let address = trio.addresses.proxy;
    running.spawn(async move { slow.send(address).await });
    eventually("it is at the provider", START, async || {
        Ok((trio.simulator.requests(before).await?.len() == 1).then_some(()))
    })
    .await?;
    for (dialect, status, kind) in [
        (Dialect::OpenAi, 429, "rate_limit_error"),
        (Dialect::Anthropic, 429, "rate_limit_error"),
        (Dialect::Gemini, 429, "RESOURCE_EXHAUSTED"),
    ] {
        let answer = trio.send(&Call::chat(dialect, &secret, dialect.model(), false)).await?;
        let case = format!("{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(answer.status == status && !is_final(&answer), "{case}");
        ensure!(dialect.error(&answer.json()?).is_some_and(|(found, _)| found == kind), "{case}");
        ensure!(answer.header("retry-after") == Some("1"), "{case}");
        ensure!(answer.text().contains("reserved by other requests"), "{case}");
    }
    // What can never be met is refused for good meanwhile, too.
    let body = json!({"model": "gpt-4.1", "max_tokens": 8_000, "messages": [{"role": "user", "content": "How long?"}]});
    let large = Call::post(Dialect::OpenAi, &secret, "/v1/chat/completions".to_owned(), body.to_string());
    let answer = trio.send(&large).await?;
    ensure!(answer.status == 429 && is_final(&answer), "{} {}", answer.status, answer.text());
    let first = running.join_next().await.context("it runs")???;
    ensure!(first.status == 200, "{}", first.text());
    let next = trio.send(&Call::chat(Dialect::OpenAi, &secret, "gpt-4.1", false)).await?;
    ensure!(next.status == 200, "what came back is there: {} {}", next.status, next.text());
    let spent = spent(&trio, &[first, next]).await?;
    let shown = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    ensure!(micros(&shown["spent"])? == spent, "{spent}: {shown}");
    Ok(())
}

#[tokio::test]
async fn callers_that_wait_as_they_are_told_are_all_served() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let (_, secret) = key(&trio, &application.service_id, "0.050").await?;
    let call = Call::chat(Dialect::OpenAi, &secret, "gpt-sim-latency-200", false);
    let address = trio.addresses.proxy;
    let mut running = JoinSet::new();
    for _ in 0..6 {
        let call = call.clone();
        running.spawn(async move {
            let begun = Instant::now();
            loop {
                let answer = call.send(address).await?;
                if answer.status == 200 || is_final(&answer) || begun.elapsed() > START {
                    return anyhow::Ok(answer);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
    }
    let answers = running.join_all().await.into_iter().collect::<anyhow::Result<Vec<Answer>>>()?;
    let case = || answers.iter().map(Answer::text).collect::<Vec<_>>().join("\n");
    ensure!(count(&answers, 200) == answers.len(), "{}", case());
    Ok(())
}

#[tokio::test]
async fn the_last_requests_get_what_lies_at_other_proxies() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let further = [trio.another_proxy("second").await?, trio.another_proxy("third").await?];
    let (id, secret) = key(&trio, &application.service_id, "0.060").await?;
    let call = bounded(&secret, "gpt-4.1");
    let mut answers = Vec::new();
    for proxy in &further {
        known(&call, proxy.address, START).await?;
        answers.extend(at_once(2, &call, &[proxy.address]).await?);
    }
    let others = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    ensure!(micros(&others["leased"])? > 0, "{others}");
    // From now on those are idle.
    let begun = Instant::now();
    loop {
        let answer = trio.send(&call).await?;
        if is_final(&answer) {
            break;
        }
        if answer.status != 200 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        answers.push(answer);
        ensure!(begun.elapsed() < 2 * START, "what is left is never said to be spent");
    }
    spent(&trio, &answers).await?;
    let shown = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    let spent = micros(&shown["spent"])?;
    let reservation = (call.body.len() as u64 * 2_000_000).div_ceil(3_000_000) + 400 * 8;
    eprintln!("{spent} of 60000 spent within {:?}", begun.elapsed());
    ensure!(spent <= 60_000 && spent + reservation > 60_000, "{reservation} were asked for: {shown}");
    Ok(())
}
