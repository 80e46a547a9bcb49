//! Limits that are only tried out.

use anyhow::ensure;
use reqwest::Method;
use serde_json::json;
use tollgate_tests::{Dialect, Trio, eventually::START};

use super::{Scope, chat, limited, metrics};

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
