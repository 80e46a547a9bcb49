//! Limits that are only tried out.

use anyhow::ensure;
use reqwest::Method;
use serde_json::json;
use tollgate_tests::{Dialect, Trio, eventually::START};

use super::{Scope, chat, limited, metrics, slow, whole_number};

#[tokio::test]
async fn limits_on_trial_are_reported_and_refuse_nothing() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let (application, key) = limited(&trio, "shadow", Scope::AccessKey, &json!({"rpm": 1})).await?;
    let path = format!("/api/v1/services/{}", application.service_id);
    let shadow = json!({"limits_mode": "shadow", "hidden_headers": ["x-ratelimit-reset-requests"]});
    trio.rest.expect(200, Method::PATCH, &path, Some(&shadow)).await?;
    trio.in_force().await?;
    let mut marks = Vec::new();
    for _ in 0..3 {
        let answer = trio.send(&chat(Dialect::OpenAi, &key)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ensure!(answer.header("x-ratelimit-limit-requests") == Some("1"), "{:?}", answer.headers);
        ensure!(answer.header("x-ratelimit-reset-requests").is_none(), "{:?}", answer.headers);
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(event["outcome"] == "ok", "{event}");
        marks.push(event["error_code"].clone());
    }
    ensure!(marks[0] != "rate_limit_shadow" && marks[1..] == ["rate_limit_shadow", "rate_limit_shadow"], "{marks:?}");
    let metrics = metrics(trio.addresses.proxy_ops).await?;
    let wanted = "limit_refusals_total{scope=\"access_key\",dimension=\"requests_per_minute\",mode=\"shadow\"} 2";
    ensure!(metrics.contains(wanted), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_request_that_a_limit_on_trial_would_refuse_takes_nothing_of_the_others() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for (limits, dimension, remaining) in [
        (json!({"rpd": 9, "concurrency": 1}), "concurrency", 8),
        (json!({"rpd": 9, "tpm": 1}), "tokens_per_minute", 8),
        (json!({"rpd": 1, "concurrency": 2}), "requests_per_day", 0),
    ] {
        let name = dimension.replace('_', "-");
        let (application, key) = limited(&trio, &name, Scope::User, &limits).await?;
        let path = format!("/api/v1/services/{}", application.service_id);
        trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"limits_mode": "shadow"}))).await?;
        trio.in_force().await?;
        let before = metrics(trio.addresses.proxy_ops).await?;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(trio.at_the_provider(&slow(&key)).await?);
        }
        let answer = trio.send(&chat(Dialect::Anthropic, &key)).await?;
        ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
        ensure!(whole_number(&answer, "x-ratelimit-remaining-requests")? == remaining, "{name}: {:?}", answer.headers);
        let after = metrics(trio.addresses.proxy_ops).await?;
        let is_new = |line: &&str| line.contains("mode=\"shadow\"") && !before.contains(*line);
        let counted: Vec<&str> = after.lines().filter(is_new).collect();
        let labels = format!("scope=\"user\",dimension=\"{dimension}\",mode=\"shadow\"");
        ensure!(counted == [format!("tollgate_proxy_limit_refusals_total{{{labels}}} 3")], "{name}: {counted:?}");
    }
    Ok(())
}
