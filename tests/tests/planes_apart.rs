//! The two planes never fail together: each goes on without the other, and they agree again when both are back.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::json;
use tollgate_tests::{
    Application, Dialect, Tokens, Trio,
    eventually::{START, eventually},
    seed::known,
    trio::Settings,
};

/// All calls must be answered; their request ids.
async fn traffic(trio: &Trio, application: &Application, count: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for index in 0..count {
        let dialect = Dialect::ALL[index % 3];
        let answer = trio.send(&application.chat(dialect, index % 2 == 0)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
        ids.push(answer.request_id()?.to_owned());
    }
    Ok(ids)
}

/// Every request has exactly one event, nothing else has one, and the tokens add up to what the provider generated.
async fn all_are_counted_once(trio: &Trio, ids: &[String]) -> anyhow::Result<()> {
    eventually("all events have arrived", START, async || {
        Ok((trio.rest.events().await?.len() >= ids.len()).then_some(()))
    })
    .await?;
    let events = trio.rest.events().await?;
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for event in &events {
        *seen.entry(event["request_id"].as_str().context("an event without request_id")?).or_default() += 1;
    }
    for id in ids {
        ensure!(seen.remove(id.as_str()) == Some(1), "{id} has not exactly one event");
    }
    ensure!(seen.is_empty(), "events of unknown requests: {seen:?}");
    let counted: u64 =
        events.iter().map(|event| Tokens::of(event).map(|tokens| tokens.output)).sum::<Result<_, _>>()?;
    assert_eq!(json!(counted), trio.simulator.stats().await?["generated"]["output"]);
    Ok(())
}

#[tokio::test]
async fn traffic_goes_on_while_the_control_plane_is_dead_and_is_counted_when_it_is_back() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let mut ids = traffic(&trio, &application, 6).await?;
    trio.kill_admin()?;
    ids.extend(traffic(&trio, &application, 12).await?);
    trio.start_admin().await?;
    ids.extend(traffic(&trio, &application, 6).await?);
    all_are_counted_once(&trio, &ids).await
}

#[tokio::test]
async fn a_proxy_that_restarts_while_the_control_plane_is_dead_serves_from_its_stored_snapshot() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let mut ids = traffic(&trio, &application, 3).await?;
    trio.kill_admin()?;
    ids.extend(traffic(&trio, &application, 3).await?);
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    ids.extend(traffic(&trio, &application, 6).await?);

    let proxy = trio.terminate_proxy()?;
    ended(proxy).await?;
    trio.start_proxy().await?;
    ids.extend(traffic(&trio, &application, 6).await?);

    trio.start_admin().await?;
    all_are_counted_once(&trio, &ids).await?;

    // They agree again: what is made now is in force.
    let later = trio.application("later", 1).await?;
    let answer = known(&later.chat(Dialect::OpenAi, false), trio.addresses.proxy, START).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_ends_delivers_to_a_control_plane_that_comes_back_meanwhile() -> anyhow::Result<()> {
    let proxy = vec![("TOLLGATE_PROXY_TIMEOUTS__DRAIN_DELIVERY_MS", "45000".to_owned())];
    let mut trio = Trio::start_with(Settings { proxy, ..Settings::default() }).await?;
    let application = trio.application("application", 2).await?;
    let mut ids = traffic(&trio, &application, 3).await?;
    trio.kill_admin()?;
    ids.extend(traffic(&trio, &application, 3).await?);
    let proxy = trio.terminate_proxy()?;
    trio.start_admin().await?;
    ended(proxy).await?;
    all_are_counted_once(&trio, &ids).await
}

async fn ended(mut proxy: tollgate_tests::process::Process) -> anyhow::Result<()> {
    let status = tokio::time::timeout(START, proxy.ended()).await.context("the proxy does not end")??;
    ensure!(status.success(), "the proxy ended with {status}");
    Ok(())
}

#[tokio::test]
async fn a_change_made_while_the_proxy_is_dead_is_in_force_when_it_is_back() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    traffic(&trio, &application, 3).await?;
    trio.kill_proxy()?;
    let other = trio.seed.application(&trio.rest, "other", 1).await?;
    trio.revoke(&application.access_key_id).await?;
    trio.start_proxy().await?;
    let answer = known(&other.chat(Dialect::Anthropic, false), trio.addresses.proxy, START).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(trio.send(&application.chat(Dialect::OpenAi, false)).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let call = application.chat(Dialect::OpenAi, false);
    assert_eq!(trio.send(&call).await?.status, 200);
    trio.revoke(&application.access_key_id).await?;
    let revoked = Instant::now();
    eventually("the revoked key is refused", START, async || Ok((trio.send(&call).await?.status == 401).then_some(())))
        .await?;
    let elapsed = revoked.elapsed();
    ensure!(elapsed < Duration::from_secs(1), "it was refused after {elapsed:?}");
    Ok(())
}

#[tokio::test]
async fn a_rotated_key_works_in_its_overlap_and_not_after() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let path = format!("access-keys/{}/rotate", application.access_key_id);
    let answer =
        trio.rest.send(reqwest::Method::POST, &format!("/api/v1/{path}"), Some(&json!({"overlap_seconds": 2}))).await?;
    ensure!(answer.status().is_success(), "rotate answered {}", answer.status());
    let rotated: serde_json::Value = answer.json().await?;
    let mut new = application.clone();
    rotated["secret"].as_str().context("a rotated key without `secret`")?.clone_into(&mut new.secret);

    let (old_call, new_call) = (application.chat(Dialect::OpenAi, false), new.chat(Dialect::OpenAi, false));
    assert_eq!(known(&new_call, trio.addresses.proxy, START).await?.status, 200);
    eventually("the old secret is refused", Duration::from_secs(10), async || {
        Ok((trio.send(&old_call).await?.status == 401).then_some(()))
    })
    .await?;
    assert_eq!(trio.send(&new_call).await?.status, 200);
    Ok(())
}
