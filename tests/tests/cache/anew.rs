//! What is asked anew: another question, another tenant, and what is not kept or not any more.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{Call, Dialect, Trio, eventually::START, rest::text, usage::expect};

use super::{access_key, asked_twice, keeping, keeping_with, received, with_header};

#[tokio::test]
async fn what_differs_in_anything_is_another_question() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::Anthropic, false);
    asked_twice(&trio, &call).await?;
    let spaced = Call { body: [&call.body[..], b" "].concat().into(), ..call.clone() };
    let beta = with_header(call.clone(), "anthropic-beta", "context-1m-2025-08-07");
    let query = Call { path: format!("{}?beta=true", call.path), ..call.clone() };
    for other in [keys.chat(Dialect::Anthropic, true), spaced, beta, query] {
        asked_twice(&trio, &other).await.with_context(|| format!("{other:?}"))?;
    }
    // What does not change the answer does not.
    let before = received(&trio).await?;
    let same = with_header(with_header(call, "user-agent", "another"), "idempotency-key", "another");
    ensure!(trio.send(&same).await?.header("x-tollgate-cache") == Some("hit"));
    ensure!(received(&trio).await? == before);
    Ok(())
}

#[tokio::test]
async fn another_tenant_never_gets_it() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let alone = keeping(&trio, "alone", json!({"ttl_seconds": 600})).await?;
    let shared = keeping(&trio, "shared", json!({"ttl_seconds": 600, "scope": "service"})).await?;
    let without = keeping_with(&trio, "without", json!({})).await?;
    let chat = |key: &str| Call::chat(Dialect::OpenAi, key, "gpt-4.1", false);
    let mark = async |key: &str| {
        Ok::<_, anyhow::Error>(trio.send(&chat(key)).await?.header("x-tollgate-cache").map(str::to_owned))
    };
    // By default an access key is alone with its answers.
    ensure!(mark(&alone.secret).await?.as_deref() == Some("miss"));
    let second = access_key(&trio, &alone.service_id, "second").await?;
    ensure!(mark(&second).await?.as_deref() == Some("miss"));
    ensure!(mark(&second).await?.as_deref() == Some("hit"));
    // A service's keys share where that is wanted, and no service shares with another.
    ensure!(mark(&shared.secret).await?.as_deref() == Some("miss"));
    let second = access_key(&trio, &shared.service_id, "second").await?;
    ensure!(mark(&second).await?.as_deref() == Some("hit"));
    // What an access key may not call, it does not get from the cache.
    let narrow = json!({"service_id": shared.service_id, "name": "narrow", "models": ["gpt-5*"]});
    let narrow = trio.rest.create("access-keys", &narrow).await?;
    trio.in_force().await?;
    let refused = trio.send(&chat(text(&narrow, "secret")?)).await?;
    ensure!(refused.status == 404 && refused.header("x-tollgate-cache").is_none(), "{}", refused.text());
    // A service that does not ask for it has none.
    ensure!(mark(&without.secret).await?.is_none() && mark(&without.secret).await?.is_none());
    let answer = trio.send(&chat(&without.secret)).await?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    expect(&event, "/cache", &Value::Null)?;
    ensure!(event["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1), "{event}");
    Ok(())
}

#[tokio::test]
async fn an_answer_gets_too_old() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 2})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    asked_twice(&trio, &call).await?;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    asked_twice(&trio, &call).await?;
    // A setting that is taken away counts for what was kept before.
    let path = format!("/api/v1/services/{}", keys.service_id);
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"response_cache": null}))).await?;
    trio.in_force().await?;
    let before = received(&trio).await?;
    ensure!(trio.send(&call).await?.header("x-tollgate-cache").is_none());
    ensure!(received(&trio).await? == before + 1);
    Ok(())
}

#[tokio::test]
async fn the_callers_cache_control_is_heeded() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    let said = |value| with_header(call.clone(), "cache-control", value);
    let mark = async |call: &Call| {
        let (before, answer) = (received(&trio).await?, trio.send(call).await?);
        let asked = received(&trio).await? - before;
        Ok::<_, anyhow::Error>((answer.header("x-tollgate-cache").unwrap_or_default().to_owned(), asked))
    };
    let is = |(mark, asked): (String, usize), wanted: (&str, usize)| mark == wanted.0 && asked == wanted.1;
    // Neither taken nor kept.
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    ensure!(is(mark(&call).await?, ("miss", 1)));
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    // Not taken, but kept: the next one gets the new answer.
    let renewed = trio.send(&said("no-cache")).await?;
    ensure!(renewed.header("x-tollgate-cache") == Some("bypass"), "{:?}", renewed.headers);
    let next = trio.send(&call).await?;
    ensure!(next.header("x-tollgate-cache") == Some("hit") && next.body == renewed.body, "{}", next.text());
    ensure!(is(mark(&said("max-age=60")).await?, ("hit", 0)));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    ensure!(is(mark(&said("max-age=1")).await?, ("miss", 1)));
    let event = trio.rest.event(renewed.request_id()?, START).await?;
    expect(&event, "/cache", &json!("bypass"))
}

#[tokio::test]
async fn what_a_provider_stores_is_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let stored = [
        ("/v1/responses", json!({"model": "gpt-4.1", "input": "Hello"})),
        ("/v1/responses", json!({"model": "gpt-4.1", "input": "Hello", "store": true})),
        ("/v1/chat/completions", json!({"model": "gpt-4.1", "messages": messages, "store": true})),
    ];
    for (path, body) in stored {
        let call = Call::post(Dialect::OpenAi, &keys.secret, path.to_owned(), body.to_string());
        let before = received(&trio).await?;
        for _ in 0..2 {
            let answer = trio.send(&call).await?;
            ensure!(answer.status == 200, "{}", answer.text());
            ensure!(answer.header("x-tollgate-cache") == Some("bypass"), "{body}: {:?}", answer.headers);
        }
        ensure!(received(&trio).await? == before + 2, "{body}");
    }
    // What goes on from one that is stored, without storing anything itself.
    let response = json!({"model": "gpt-4.1", "input": "Hello"}).to_string();
    let response = trio.send(&Call::post(Dialect::OpenAi, &keys.secret, "/v1/responses".into(), response)).await?;
    let next =
        json!({"model": "gpt-4.1", "input": "And?", "store": false, "previous_response_id": response.json()?["id"]});
    let next = Call::post(Dialect::OpenAi, &keys.secret, "/v1/responses".into(), next.to_string());
    let answer = trio.send(&next).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    ensure!(answer.header("x-tollgate-cache") == Some("bypass"), "{:?}", answer.headers);
    // Other endpoints do not know the cache at all.
    let count = json!({"model": "claude-sonnet-4-6", "messages": messages}).to_string();
    let count = Call::post(Dialect::Anthropic, &keys.secret, "/v1/messages/count_tokens".into(), count);
    ensure!(trio.send(&count).await?.header("x-tollgate-cache").is_none());
    Ok(())
}

#[tokio::test]
async fn errors_and_answers_that_are_not_whole_are_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let service = json!({"response_cache": {"ttl_seconds": 600}, "retry": {"max_attempts": 1}});
    let keys = keeping_with(&trio, "keeping", service).await?;
    for dialect in Dialect::ALL {
        for (stream, fault) in [
            (false, json!({"kind": "status", "status": 400})),
            (false, json!({"kind": "status", "status": 429})),
            (false, json!({"kind": "error_in_200"})),
            (false, json!({"kind": "cut_mid_stream", "after_chunks": 1})),
            (true, json!({"kind": "cut_mid_stream", "after_chunks": 4})),
            (true, json!({"kind": "error_mid_stream", "after_chunks": 4})),
            (true, json!({"kind": "reset", "after_chunks": 4})),
        ] {
            // Whatever was kept before is of another question.
            let model = format!("{}-{}", dialect.model(), fastrand::u64(..));
            let call = Call::chat(dialect, &keys.secret, &model, stream);
            trio.simulator.fault(json!({"model": model}), Some(1), fault.clone()).await?;
            let case = || format!("{fault}, {dialect:?}");
            if let Ok(answer) = trio.send(&call).await {
                ensure!(answer.header("x-tollgate-cache") != Some("hit"), "{}", case());
            }
            trio.simulator.clear_faults().await?;
            asked_twice(&trio, &call).await.with_context(case)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn answers_beyond_the_services_bound_are_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600, "max_entry_bytes": 5_000})).await?;
    for stream in [false, true] {
        asked_twice(&trio, &keys.chat(Dialect::OpenAi, stream)).await?;
        let before = received(&trio).await?;
        let call = Call::chat(Dialect::OpenAi, &keys.secret, "gpt-4.1-sim-bytes-6000", stream);
        for _ in 0..2 {
            let answer = trio.send(&call).await?;
            ensure!(answer.status == 200 && answer.header("x-tollgate-cache") == Some("miss"));
        }
        ensure!(received(&trio).await? == before + 2, "stream {stream}");
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_the_targets_is_another_question() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    asked_twice(&trio, &call).await?;
    // Another key of the same pool changes nothing.
    let pool_id = &keys.keys(Dialect::OpenAi)[0].pool_id;
    let key = json!({"pool_id": pool_id, "name": "another", "secret": "sk-another"});
    trio.rest.create("upstream-keys", &key).await?;
    trio.in_force().await?;
    ensure!(trio.send(&call).await?.header("x-tollgate-cache") == Some("hit"));
    let routes = json!([{"models": ["*"], "targets": [{"pool_id": pool_id, "model": "gpt-5-mini"}]}]);
    let path = format!("/api/v1/services/{}", keys.service_id);
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"routes": routes}))).await?;
    trio.in_force().await?;
    let (answer, _) = asked_twice(&trio, &call).await?;
    ensure!(answer.header("x-tollgate-model") == Some("gpt-5-mini"), "{:?}", answer.headers);
    Ok(())
}
