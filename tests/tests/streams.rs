//! Streams: cut by the client, cut by the provider, and running while the proxy is asked to end.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tollgate_tests::{
    Application, Dialect, Trio,
    eventually::{START, eventually},
    raw::{Connection, Head, request},
    usage::expect,
};

/// A streamed call, written by hand.
async fn open_stream(trio: &Trio, application: &Application, dialect: Dialect) -> anyhow::Result<(Connection, Head)> {
    let call = application.chat(dialect, true);
    let headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut connection = Connection::open(trio.addresses.proxy).await?;
    connection.send(&request("POST", &call.path, &headers, &call.body)).await?;
    let head = connection.head().await?;
    ensure!(head.status == 200, "{dialect:?} was answered {}", head.status);
    Ok((connection, head))
}

async fn slowly(trio: &Trio) -> anyhow::Result<()> {
    trio.simulator.fault(json!({}), None, json!({"kind": "slow_drip", "gap_ms": 250})).await
}

/// The rest of the body as text.
async fn rest_of(connection: &mut Connection) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = connection.piece().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(bytes)?)
}

/// The rest of a body that may lack its proper end.
async fn until_the_cut(connection: &mut Connection) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = connection.piece().await {
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(bytes)?)
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstream_request_within_a_second() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    slowly(&trio).await?;
    for dialect in Dialect::ALL {
        let before = trio.simulator.newest().await?;
        let (mut connection, head) = open_stream(&trio, &application, dialect).await?;
        connection.piece().await?.context("an empty stream")?;
        drop(connection);
        let left = Instant::now();
        eventually("the provider sees that the client is gone", START, async || {
            Ok(trio.simulator.only_request(before).await?.client_gone.then_some(()))
        })
        .await?;
        let elapsed = left.elapsed();
        ensure!(elapsed < Duration::from_secs(1), "{dialect:?}: the provider saw it after {elapsed:?}");

        let id = head.header("x-request-id").context("no x-request-id")?;
        let event = trio.rest.event(id, START).await?;
        expect(&event, "/outcome", &json!("client_closed"))?;
        let source = event["usage"]["source"].as_str().unwrap_or_default();
        ensure!(["partial", "estimated"].contains(&source), "{dialect:?}: the source is {source}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_ends_the_upstream_request() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    trio.simulator.fault(json!({}), None, json!({"kind": "hang_before_headers"})).await?;
    let call = application.chat(Dialect::OpenAi, false);
    let headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut connection = Connection::open(trio.addresses.proxy).await?;
    connection.send(&request("POST", &call.path, &headers, &call.body)).await?;
    eventually("the request has reached the provider", START, async || {
        Ok((!trio.simulator.requests(0).await?.is_empty()).then_some(()))
    })
    .await?;
    drop(connection);
    eventually("the provider sees that the client is gone", Duration::from_secs(1), async || {
        Ok(trio.simulator.only_request(0).await?.client_gone.then_some(()))
    })
    .await?;
    let events = eventually("the event has arrived", START, async || {
        let events = trio.rest.events().await?;
        Ok((!events.is_empty()).then_some(events))
    })
    .await?;
    assert_eq!(events.len(), 1);
    expect(&events[0], "/outcome", &json!("client_closed"))
}

#[tokio::test]
async fn a_stream_finishes_after_the_proxy_was_asked_to_end() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    slowly(&trio).await?;
    let (mut connection, head) = open_stream(&trio, &application, Dialect::OpenAi).await?;
    connection.piece().await?.context("an empty stream")?;
    let mut proxy = trio.terminate_proxy()?;
    let rest = rest_of(&mut connection).await?;
    ensure!(rest.trim_end().ends_with("data: [DONE]"), "the stream was cut: {rest}");
    let status = tokio::time::timeout(START, proxy.ended()).await.context("the proxy does not end")??;
    ensure!(status.success(), "the proxy ended with {status}");

    // It delivered what it had to say before it ended.
    let event = trio.rest.event(head.header("x-request-id").context("no x-request-id")?, Duration::ZERO).await?;
    expect(&event, "/outcome", &json!("ok"))
}

#[tokio::test]
async fn a_stream_that_the_provider_cuts_ends_with_an_error_in_the_callers_protocol() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for kind in ["cut_mid_stream", "reset", "error_mid_stream"] {
        trio.simulator.clear_faults().await?;
        trio.simulator.fault(json!({}), None, json!({"kind": kind, "after_chunks": 4})).await?;
        for dialect in Dialect::ALL {
            let (mut connection, head) = open_stream(&trio, &application, dialect).await?;
            let text = until_the_cut(&mut connection).await?;
            let last = dialect.last_error(&text);
            ensure!(last.is_some(), "{dialect:?}, {kind}: no error at the end of {text}");
            ensure!(!text.contains("[DONE]"), "{dialect:?}, {kind}: it ends as a success");

            let event = trio.rest.event(head.header("x-request-id").context("no x-request-id")?, START).await?;
            expect(&event, "/outcome", &json!("upstream_error"))?;
            let source = event["usage"]["source"].as_str().unwrap_or_default();
            ensure!(["partial", "estimated"].contains(&source), "{dialect:?}, {kind}: the source is {source}");
        }
    }
    Ok(())
}
