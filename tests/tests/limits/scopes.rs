//! One proxy: each scope, each dimension, what is reserved and freed.

use std::time::Duration;

use anyhow::ensure;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tollgate_tests::{
    Call, Dialect, Trio,
    eventually::{START, eventually},
    trio::Settings,
};

use super::{Scope, chat, ensure_refused, large, limited, slow, whole_number};

#[tokio::test]
async fn requests_are_limited_at_every_scope_in_every_protocol() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        for (field, dimension) in [("rpm", "requests per minute"), ("rpd", "requests per day")] {
            let name = format!("{field}-{scope:?}").to_lowercase();
            let (_, key) = limited(&trio, &name, scope, &json!({field: 2})).await?;
            for (dialect, remaining) in [(Dialect::Anthropic, 1), (Dialect::Gemini, 0)] {
                let answer = trio.send(&chat(dialect, &key)).await?;
                ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
                ensure!(whole_number(&answer, "x-ratelimit-limit-requests")? == 2, "{:?}", answer.headers);
                ensure!(whole_number(&answer, "x-ratelimit-remaining-requests")? == remaining, "{:?}", answer.headers);
                ensure!(answer.header("x-ratelimit-reset-requests").is_some_and(|text| text.ends_with('s')));
                ensure!(answer.header("x-ratelimit-limit-tokens").is_none(), "{:?}", answer.headers);
            }
            let newest = trio.simulator.newest().await?;
            for dialect in Dialect::ALL {
                let answer = trio.send(&chat(dialect, &key)).await?;
                let wait = ensure_refused(dialect, &answer, scope.words(), dimension)?;
                ensure!(field == "rpd" || wait <= Duration::from_secs(30), "{wait:?}");
                ensure!(whole_number(&answer, "x-ratelimit-remaining-requests")? == 0, "{:?}", answer.headers);
                let event = trio.rest.event(answer.request_id()?, START).await?;
                ensure!(event["outcome"] == "refused" && event["error_code"] == "rate_limit_exceeded", "{event}");
            }
            ensure!(trio.simulator.requests(newest).await?.is_empty(), "a refused request reached the provider");
        }
    }
    Ok(())
}

#[tokio::test]
async fn tokens_are_reserved_and_settled_at_every_scope() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        let name = format!("tpm-{scope:?}").to_lowercase();
        let (_, key) = limited(&trio, &name, scope, &json!({"tpm": 2_400})).await?;
        // Each reserves more than 1,700, uses far less, and gives the rest back.
        for dialect in Dialect::ALL {
            let answer = trio.send(&large(dialect, &key)).await?;
            ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
            ensure!(whole_number(&answer, "x-ratelimit-limit-tokens")? == 2_400, "{:?}", answer.headers);
            ensure!(whole_number(&answer, "x-ratelimit-remaining-tokens")? < 700, "{:?}", answer.headers);
            let event = trio.rest.event(answer.request_id()?, START).await?;
            let used =
                event["usage"]["input_uncached"].as_u64().unwrap_or(0) + event["usage"]["output"].as_u64().unwrap_or(0);
            ensure!((1..=200).contains(&used), "{event}");
        }
        // As long as one is in work, its reservation stands; when its client leaves, the rest is free again.
        let slow = Dialect::OpenAi;
        let model = "gpt-4o-sim-latency-20000";
        let mut body = slow.chat_body(model, false);
        body["max_tokens"] = json!(1_000);
        let held = Call::post(slow, &key, slow.chat_path(model, false), body.to_string());
        let address = trio.addresses.proxy;
        let newest = trio.simulator.newest().await?;
        let mut holding = JoinSet::new();
        holding.spawn(async move { held.send(address).await });
        eventually("the held request is at the provider", START, async || {
            Ok((!trio.simulator.requests(newest).await?.is_empty()).then_some(()))
        })
        .await?;
        for dialect in Dialect::ALL {
            let answer = trio.send(&large(dialect, &key)).await?;
            ensure_refused(dialect, &answer, scope.words(), "tokens per minute")?;
            ensure!(whole_number(&answer, "x-ratelimit-remaining-tokens")? < 1_500, "{:?}", answer.headers);
        }
        holding.abort_all();
        eventually("the reservation is free again", Duration::from_secs(5), async || {
            let answer = trio.send(&large(Dialect::Gemini, &key)).await?;
            Ok((answer.status == 200).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_place_is_free_again_when_its_client_leaves() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        let name = format!("concurrency-{scope:?}").to_lowercase();
        let (_, key) = limited(&trio, &name, scope, &json!({"concurrency": 1})).await?;
        let mut holding = trio.at_the_provider(&slow(&key)).await?;
        for dialect in Dialect::ALL {
            let answer = trio.send(&chat(dialect, &key)).await?;
            let wait = ensure_refused(dialect, &answer, scope.words(), "concurrent requests")?;
            ensure!(wait == Duration::from_secs(1), "{wait:?}");
        }
        holding.abort_all();
        eventually("the place is free", Duration::from_secs(5), async || {
            Ok((trio.send(&chat(Dialect::Gemini, &key)).await?.status == 200).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn upstream_keys_that_are_used_up_are_passed_over() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for (dialect, limits) in [
        (Dialect::OpenAi, json!({"rpm": 2})),
        (Dialect::Anthropic, json!({"rpd": 2})),
        (Dialect::Gemini, json!({"tpm": 40})),
    ] {
        for key in application.keys(dialect) {
            let path = format!("/api/v1/upstream-keys/{}", key.id);
            trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"limits": limits}))).await?;
        }
        trio.in_force().await?;
        let mut served = Vec::new();
        let refused = loop {
            let answer = trio.send(&application.chat(dialect, false)).await?;
            if answer.status != 200 {
                break answer;
            }
            let event = trio.rest.event(answer.request_id()?, START).await?;
            served.push(event["upstream_key_id"].as_str().unwrap_or_default().to_owned());
            ensure!(served.len() < 10, "{dialect:?}: the limit of upstream keys holds nothing");
        };
        let most = if dialect == Dialect::Gemini { 2 } else { 4 };
        let first = application.keys(dialect)[0].id.as_str();
        ensure!(served.len() == most, "{dialect:?}: {served:?}");
        ensure!(served.iter().filter(|id| *id == first).count() == most / 2, "{dialect:?}: {served:?}");
        ensure!(refused.status == 429, "{dialect:?}: {} {}", refused.status, refused.text());
        ensure!(refused.text().contains("every upstream key"), "{}", refused.text());
        ensure!(whole_number(&refused, "retry-after-ms")? > 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_as_a_whole_has_limits_of_its_own() -> anyhow::Result<()> {
    let proxy = vec![("TOLLGATE_PROXY_LIMITS__REQUESTS_PER_MINUTE", "3".to_owned())];
    let trio = Trio::start_with(Settings { proxy, ..Settings::default() }).await?;
    let first = trio.application("first", 1).await?;
    let second = trio.application("second", 1).await?;
    for application in [&first, &second, &first] {
        let answer = trio.send(&application.chat(Dialect::OpenAi, false)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ensure!(answer.header("x-ratelimit-limit-requests").is_none(), "{:?}", answer.headers);
    }
    for dialect in Dialect::ALL {
        let answer = trio.send(&second.chat(dialect, false)).await?;
        ensure_refused(dialect, &answer, "gateway's", "requests per minute")?;
    }
    Ok(())
}
