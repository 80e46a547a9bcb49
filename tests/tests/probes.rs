//! Keys that nobody uses are probed, what probes find is shown with its reason, and proxies are told.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_proto::HealthVerdict;
use tollgate_tests::{
    Call, Dialect, Trio, eventually::START, eventually::eventually, health_stream::HealthStream, rest::text,
    simulator::Received, trio::Settings,
};

/// Within this, proxies hear that a provider is back: the longest wait for a probe, the look that finds it due, and the
/// probe itself stay below it.
const RECOVERY: Duration = Duration::from_secs(30);

/// As an operator may set it, but for idle keys, which would be waited for for minutes.
async fn start() -> anyhow::Result<Trio> {
    let admin = vec![
        ("TOLLGATE_ADMIN_PROBES__IDLE_MIN_MS", "1000".to_owned()),
        ("TOLLGATE_ADMIN_PROBES__IDLE_MAX_MS", "1500".to_owned()),
    ];
    Trio::start_with(Settings { admin, ..Settings::default() }).await
}

async fn health(trio: &Trio, key: &str, wanted: &str, within: Duration) -> anyhow::Result<Value> {
    let path = format!("health/upstream-keys/{key}");
    eventually(&format!("the key is {wanted}"), within, async || {
        let health = trio.rest.get(&path).await?;
        ensure!(health["state"] == wanted, "{health}");
        Ok(Some(health))
    })
    .await
}

#[tokio::test]
async fn idle_keys_of_every_provider_are_probed() -> anyhow::Result<()> {
    let trio = start().await?;
    let application = trio.application("idle", 1).await?;
    for dialect in Dialect::ALL {
        let health = health(&trio, &application.keys(dialect)[0].id, "healthy", START).await?;
        ensure!(health["last_probe"]["outcome"] == "ok", "{health}");
        ensure!(health["reason"].is_null() && health["retry_in_seconds"].is_null(), "{health}");
    }
    let listed = trio.rest.all("health/upstream-keys").await?;
    ensure!(listed.len() == Dialect::ALL.len(), "{listed:?}");
    Ok(())
}

#[tokio::test]
async fn a_provider_that_comes_back_is_told_to_proxies_in_time() -> anyhow::Result<()> {
    let trio = start().await?;
    let application = trio.application("down", 1).await?;
    let key = &application.keys(Dialect::Anthropic)[0];
    health(&trio, &key.id, "healthy", START).await?;
    let mut stream = HealthStream::open(trio.addresses.admin_grpc, &trio.secrets.join_token).await?;
    trio.simulator.fault(json!({"key": key.secret}), None, json!({"kind": "status", "status": 503})).await?;
    let hint = stream.next(START).await?;
    ensure!(hint.verdict() == HealthVerdict::Unreachable && hint.upstream_key_id == key.id, "{hint:?}");
    let shown = health(&trio, &key.id, "unreachable", START).await?;
    ensure!(text(&shown, "reason")?.contains("503"), "{shown}");
    ensure!(shown["retry_in_seconds"].as_u64().is_some_and(|left| left <= 15), "{shown}");
    trio.simulator.clear_faults().await?;
    let back = Instant::now();
    let hint = loop {
        let hint = stream.next(RECOVERY).await?;
        if hint.verdict() != HealthVerdict::Unreachable {
            break hint;
        }
    };
    ensure!(hint.verdict() == HealthVerdict::Recovered, "{hint:?}");
    ensure!(back.elapsed() < RECOVERY, "{:?}", back.elapsed());
    health(&trio, &key.id, "healthy", START).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_key_is_shown_with_reason_and_countdown_until_a_test_succeeds() -> anyhow::Result<()> {
    let trio = start().await?;
    let application = trio.application("refused", 2).await?;
    let [refused, good] = application.keys(Dialect::OpenAi) else { anyhow::bail!("two keys were asked for") };
    let mut stream = HealthStream::open(trio.addresses.admin_grpc, &trio.secrets.join_token).await?;
    trio.simulator.fault(json!({"key": refused.secret}), None, json!({"kind": "status", "status": 401})).await?;
    let hint = stream.next(START).await?;
    ensure!(hint.verdict() == HealthVerdict::Refused && hint.upstream_key_id == refused.id, "{hint:?}");
    let shown = health(&trio, &refused.id, "refused", START).await?;
    ensure!(text(&shown, "reason")? == "the upstream refused the key (status 401)", "{shown}");
    let left = shown["retry_in_seconds"].as_u64().context("no countdown")?;
    ensure!((500..=600).contains(&left), "{shown}");
    ensure!(!shown.to_string().contains(&refused.secret), "the key is shown");
    let listed = trio.rest.all_where("health/upstream-keys", "state=refused").await?;
    ensure!(listed.len() == 1 && listed[0]["upstream_key_id"] == refused.id.as_str(), "{listed:?}");
    health(&trio, &good.id, "healthy", START).await?;

    trio.simulator.clear_faults().await?;
    let test = format!("/api/v1/upstream-keys/{}/test", refused.id);
    let tested = trio.rest.expect(200, Method::POST, &test, None).await?;
    ensure!(tested["ok"] == true, "{tested}");
    let hint = stream.next(START).await?;
    ensure!(hint.verdict() == HealthVerdict::Recovered && hint.upstream_key_id == refused.id, "{hint:?}");
    health(&trio, &refused.id, "healthy", Duration::from_secs(2)).await?;
    Ok(())
}

#[tokio::test]
async fn a_proxy_exchanges_health_with_its_control_plane() -> anyhow::Result<()> {
    let trio = start().await?;
    trio.application("exchange", 1).await?;
    eventually("the proxy exchanges the health of keys", START, async || {
        Ok(trio.log("proxy-svc").contains("the health of upstream keys is being exchanged").then_some(()))
    })
    .await?;
    let proxies = trio.rest.get("proxies").await?;
    ensure!(proxies["live"] == 1, "{proxies}");
    Ok(())
}

/// How often the provider was asked for an answer with a key.
async fn calls(trio: &Trio, key: &str) -> anyhow::Result<usize> {
    let requests = trio.simulator.requests(0).await?;
    let is_with = |request: &&Received| request.headers.iter().any(|(_, value)| value.contains(key));
    Ok(requests.iter().filter(is_with).count())
}

#[tokio::test]
async fn what_one_proxy_was_told_of_a_key_another_heeds() -> anyhow::Result<()> {
    // Probes would say that the keys work, which is not what this is about.
    let admin = vec![("TOLLGATE_ADMIN_PROBES__ENABLED", "false".to_owned())];
    let trio = Trio::start_with(Settings { admin, ..Settings::default() }).await?;
    let other = trio.another_proxy("second").await?;
    let application = trio.application("told", 2).await?;
    let call = |dialect: Dialect| Call::chat(dialect, &application.secret, dialect.model(), false);
    tollgate_tests::seed::known(&call(Dialect::Gemini), other.address, START).await?;
    for (dialect, fault, state) in [
        (Dialect::OpenAi, json!({"kind": "status", "status": 429, "retry_after": "120"}), "cooling"),
        (Dialect::Anthropic, json!({"kind": "status", "status": 401}), "refused"),
    ] {
        let [bad, good] = application.keys(dialect) else { anyhow::bail!("two keys were asked for") };
        trio.simulator.fault(json!({"key": bad.secret}), None, fault).await?;
        // One of two requests meets it; the caller sees nothing of that.
        for _ in 0..2 {
            let answer = trio.send(&call(dialect)).await?;
            ensure!(answer.status == 200, "{dialect:?}: {}", answer.text());
        }
        let shown = health(&trio, &bad.id, state, START).await?;
        ensure!(shown["retry_in_seconds"].as_u64().is_some_and(|left| left > 60), "{shown}");
        ensure!(text(&shown, "reason").is_ok_and(|reason| !reason.is_empty()), "{shown}");
        // The other proxy never meets it once it was told.
        eventually("the other proxy was told", START, async || {
            let metrics = reqwest::get(format!("http://{}/metrics", other.ops)).await?.text().await?;
            let line = |line: &&str| {
                line.starts_with("tollgate_proxy_upstream_key_state") && line.contains(&bad.id) && line.contains(state)
            };
            Ok(metrics.lines().find(line).map(drop))
        })
        .await?;
        let before = calls(&trio, &bad.secret).await?;
        for _ in 0..6 {
            let answer = call(dialect).send(other.address).await?;
            ensure!(answer.status == 200 && answer.header("x-tollgate-attempts") == Some("1"), "{:?}", answer.headers);
        }
        ensure!(calls(&trio, &bad.secret).await? == before, "the other proxy used the key");
        ensure!(calls(&trio, &good.secret).await? >= 6);
        trio.simulator.clear_faults().await?;
    }
    Ok(())
}
