//! A request of each protocol goes through, and its usage event shows what the provider generated.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tollgate_tests::{Application, Dialect, Tokens, Trio, usage::expect};

const VISIBLE_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn every_protocol_is_answered_and_its_tokens_are_visible_within_two_seconds() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            answered_and_counted(&trio, &application, dialect, stream).await?;
        }
    }
    Ok(())
}

async fn answered_and_counted(
    trio: &Trio,
    application: &Application,
    dialect: Dialect,
    stream: bool,
) -> anyhow::Result<()> {
    let before = trio.simulator.newest().await?;
    let answer = trio.send(&application.chat(dialect, stream)).await?;
    ensure!(answer.status == 200, "{dialect:?}, stream {stream}: {} {}", answer.status, answer.text());
    let event = trio.rest.event(answer.request_id()?, VISIBLE_WITHIN).await?;
    let received = trio.simulator.only_request(before).await?;

    ensure!(received.generated.output > 0, "the provider generated nothing");
    assert_eq!(Tokens::of(&event)?, received.generated, "{dialect:?}, stream {stream}");
    let (provider, key) = (trio.seed.provider_id(dialect)?, &application.keys(dialect)[0]);
    assert_eq!(received.credential.as_deref(), Some(key.secret.as_str()));
    for (field, wanted) in [
        ("/usage/source", json!("provider")),
        ("/outcome", json!("ok")),
        ("/status", json!(200)),
        ("/protocol", json!(dialect.name())),
        ("/stream", json!(stream)),
        ("/service_id", json!(application.service_id)),
        ("/access_key_id", json!(application.access_key_id)),
        ("/model_requested", json!(dialect.model())),
        ("/model_served", json!(dialect.model())),
        ("/provider_id", json!(provider)),
        ("/upstream_key_id", json!(key.id)),
        ("/attempts/0/upstream_key_id", json!(key.id)),
        ("/attempts/0/status", json!(200)),
        ("/attempts/0/outcome", json!("ok")),
        ("/attempts/1", json!(null)),
    ] {
        expect(&event, field, &wanted)?;
    }
    Ok(())
}

#[tokio::test]
async fn openai_stream_without_usage_is_counted_and_shows_no_usage() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let mut call = application.chat(Dialect::OpenAi, true);
    call.body = json!({"model": "gpt-4.1", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
        .to_string()
        .into();
    let before = trio.simulator.newest().await?;
    let answer = trio.send(&call).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let text = answer.text();
    ensure!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    ensure!(!text.contains("\"choices\":[]") && !text.contains("prompt_tokens"), "usage was shown unasked: {text}");
    let event = trio.rest.event(answer.request_id()?, VISIBLE_WITHIN).await?;
    assert_eq!(Tokens::of(&event)?, trio.simulator.only_request(before).await?.generated);
    expect(&event, "/usage/source", &json!("provider"))
}

#[tokio::test]
async fn the_access_key_is_taken_from_every_place() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        let key = &application.secret;
        let bearer = format!("Bearer {key}");
        for (name, value) in [("authorization", &bearer), ("x-api-key", key), ("x-goog-api-key", key)] {
            let mut call = application.chat(dialect, false);
            call.headers.retain(|(name, _)| name == "content-type");
            call.headers.push((name.to_owned(), value.clone()));
            if dialect == Dialect::Anthropic {
                call.headers.push(("anthropic-version".to_owned(), "2023-06-01".to_owned()));
            }
            let answer = trio.send(&call).await?;
            ensure!(answer.status == 200, "{dialect:?} by {name}: {} {}", answer.status, answer.text());
        }
        let mut call = application.chat(dialect, false);
        call.headers.retain(|(name, _)| name != dialect.credential("").0);
        call.path = format!("{}?key={key}", call.path);
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&call).await?;
        ensure!(answer.status == 200, "{dialect:?} by query: {} {}", answer.status, answer.text());
        let target = trio.simulator.only_request(before).await?.target;
        ensure!(!target.contains("key"), "the key went upstream: {target}");
    }
    Ok(())
}
