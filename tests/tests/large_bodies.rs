//! Bodies of many megabytes reach the provider whole, also when the first key fails.

use anyhow::ensure;
use serde_json::json;
use tollgate_tests::{Application, Call, Dialect, Trio, eventually::START, usage::attempt_outcomes};

/// A question with an attachment of so many bytes.
fn with_attachment(application: &Application, dialect: Dialect, bytes: usize) -> Call {
    let attachment: String = std::iter::repeat_with(fastrand::alphanumeric).take(bytes).collect();
    let body = match dialect {
        Dialect::OpenAi => json!({"model": dialect.model(), "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{attachment}")}}]}]}),
        Dialect::Anthropic => {
            json!({"model": dialect.model(), "max_tokens": 64, "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": attachment}}]}]})
        }
        Dialect::Gemini => json!({"contents": [{"role": "user", "parts": [
            {"inlineData": {"mimeType": "image/png", "data": attachment}}]}]}),
    };
    let path = dialect.chat_path(dialect.model(), false);
    Call::post(dialect, &application.secret, path, body.to_string())
}

async fn replayed_in_full(bytes: usize) -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    // Asked for once: each look at what arrived brings all of it along.
    let mut newest = 0;
    for dialect in Dialect::ALL {
        let application = trio.application(dialect.name(), 2).await?;
        let first = &application.keys(dialect)[0].secret;
        trio.simulator.fault(json!({"key": first}), None, json!({"kind": "status", "status": 429})).await?;
        let call = with_attachment(&application, dialect, bytes);
        let answer = trio.send(&call).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
        let received = trio.simulator.requests(newest).await?;
        newest = received.last().map_or(newest, |request| request.n);
        assert_eq!(received.len(), 2, "{dialect:?}");
        for request in &received {
            ensure!(request.body == call.body, "{dialect:?}: the body changed on its way");
        }
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(attempt_outcomes(&event) == ["rate_limited", "ok"], "{event}");
    }
    Ok(())
}

#[tokio::test]
async fn three_megabytes_are_replayed_in_full() -> anyhow::Result<()> {
    replayed_in_full(3_000_000).await
}

#[tokio::test]
async fn thirty_megabytes_are_replayed_in_full() -> anyhow::Result<()> {
    replayed_in_full(30_000_000).await
}
