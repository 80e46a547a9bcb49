//! The way back: a key serves again soon after its fault is gone.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{
    Dialect,
    Dialect::{Anthropic, Gemini, OpenAi},
    Tap, Trio,
    eventually::eventually,
    ports, requests,
    rest::text,
    seed::secret,
};

use super::{
    case::Case,
    stage::{self, RETRIED_AT_ONCE, set},
    table::{Comes, Fault, Shown, Told, Wait},
};

/// From the end of a fault until the key serves again.
const RECOVERY: Duration = Duration::from_secs(30);

/// With probes, as an operator runs it. Of what a case says only the fault is of account here.
fn faults() -> [Fault; 7] {
    let failure = || Comes::Failure { cause: "", told: Told::Unavailable };
    let rest = || {
        let shown = Shown { state: "cooling", reason: "", wait: Wait::None };
        Comes::Rest { shown, told: Told::Unavailable }
    };
    [
        Fault::new("limited", json!({"kind": "status", "status": 429, "retry_after": "5"}), rest()),
        Fault::new("overloaded", json!({"kind": "status", "status": 503, "retry_after": "5"}), rest()),
        Fault::status(500, failure()),
        Fault::status(529, failure()),
        Fault::new("silent", json!({"kind": "hang_before_headers"}), failure()).silent().at(&[OpenAi]),
        Fault::new("empty", json!({"kind": "empty_200"}), failure()).at(&[Gemini]),
        Fault::new("cut", json!({"kind": "cut_mid_stream", "after_chunks": 5}), failure()).at(&[Anthropic]).streamed(),
    ]
}

/// The fault is gone, and from now on an answer is the first key's: the second answers that it knows no such model, which
/// is no reason to ask another one.
async fn end_faults(trio: &Trio, cases: &[Case]) -> anyhow::Result<()> {
    trio.simulator.clear_faults().await?;
    for case in cases {
        let unknown = json!({"kind": "status", "status": 404});
        trio.simulator.fault(json!({"key": case.keys[1].secret}), None, unknown).await?;
    }
    Ok(())
}

/// Waits until the first key of each case serves.
async fn all_are_back(trio: &Trio, client: &reqwest::Client, cases: &[Case]) -> anyhow::Result<()> {
    let back = Instant::now();
    try_join_all(cases.iter().map(async |case| {
        eventually(&case.name, RECOVERY, async || {
            // Requests come as they come; this many are enough to find it out.
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok((case.send(trio, client).await?.0.status == 200).then_some(()))
        })
        .await
    }))
    .await?;
    ensure!(back.elapsed() < RECOVERY, "{:?}", back.elapsed());
    Ok(())
}

/// Meets the fault as often as it takes, and makes sure that the first key rests then.
async fn meet(trio: &Trio, client: &reqwest::Client, case: &Case) -> anyhow::Result<()> {
    for _ in 0..3 {
        case.send(trio, client).await?;
    }
    let (answer, _) = case.send(trio, client).await?;
    let is_second = answer.status == 200 && answer.header("x-tollgate-attempts") == Some("1");
    ensure!(is_second, "{}: {} {:?}", case.name, answer.status, answer.headers);
    Ok(())
}

#[tokio::test]
async fn a_key_serves_again_soon_after_its_fault_is_gone() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let cases = set(&trio, &faults(), false).await?;
    trio.in_force().await?;
    let client = requests::client()?;
    let met = stream::iter(&cases).map(|case| meet(&trio, &client, case)).buffer_unordered(RETRIED_AT_ONCE);
    met.try_collect::<()>().await?;
    end_faults(&trio, &cases).await?;
    all_are_back(&trio, &client, &cases).await
}

/// What only the operator can mend is tried again when the operator says so.
#[tokio::test]
async fn a_refused_or_spent_key_serves_again_once_it_is_tested() -> anyhow::Result<()> {
    let trio = stage::start().await?;
    let refused = Fault::status(401, Comes::Nothing);
    let spent = Fault::new("spent", json!({"kind": "account_spent"}), Comes::Nothing);
    let cases = set(&trio, &[refused, spent], false).await?;
    trio.in_force().await?;
    let client = requests::client()?;
    for case in &cases {
        meet(&trio, &client, case).await?;
    }
    end_faults(&trio, &cases).await?;
    for case in &cases {
        let status = case.send(&trio, &client).await?.0.status;
        ensure!(status == 404, "{}: nobody said that it is well: {status}", case.name);
        let test = format!("/api/v1/upstream-keys/{}/test", case.keys[0].id);
        trio.rest.expect(200, Method::POST, &test, None).await?;
    }
    all_are_back(&trio, &client, &cases).await
}

/// A provider at an address where nobody is, with another to fall back on: the model's name and the key.
async fn nobody(trio: &Trio, upstream: Dialect, address: SocketAddr) -> anyhow::Result<(Value, String)> {
    let name = format!("nobody-{}", upstream.name());
    let mut targets = Vec::new();
    let mut first = String::new();
    for (priority, origin) in [format!("http://{address}"), trio.simulator.origin()].into_iter().enumerate() {
        let name = format!("{name}-{priority}");
        let provider = json!({"name": name, "kind": upstream.name(), "base_url": origin});
        let provider = trio.rest.create("providers", &provider).await?;
        let pool = json!({"name": name, "provider_id": text(&provider, "id")?});
        let pool_id = text(&trio.rest.create("key-pools", &pool).await?, "id")?.to_owned();
        let key = json!({"pool_id": pool_id, "name": name, "secret": secret("sk", &name)});
        let key = trio.rest.create("upstream-keys", &key).await?;
        if priority == 0 {
            text(&key, "id")?.clone_into(&mut first);
        }
        targets.push(json!({"pool_id": pool_id, "model": upstream.model(), "priority": priority}));
    }
    Ok((json!({"models": [name], "targets": targets}), first))
}

#[tokio::test]
async fn a_provider_that_refused_connections_is_found_again() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let address = ports::free()?;
    let (mut routes, mut keys) = (Vec::new(), Vec::new());
    for upstream in Dialect::ALL {
        let (route, key) = nobody(&trio, upstream, address).await?;
        routes.push(route);
        keys.push((upstream, key));
    }
    let service = trio.rest.create("services", &json!({"name": "nobody", "slug": "nobody", "routes": routes})).await?;
    let access_key = json!({"service_id": text(&service, "id")?, "name": "nobody"});
    let access_key = trio.rest.create("access-keys", &access_key).await?;
    trio.in_force().await?;
    let ask = async |caller: Dialect, upstream: Dialect| {
        let model = format!("nobody-{}", upstream.name());
        let call = tollgate_tests::Call::chat(caller, text(&access_key, "secret")?, &model, false);
        let answer = trio.send(&call).await?;
        ensure!(answer.status == 200, "{caller:?} at {upstream:?}: {} {}", answer.status, answer.text());
        trio.rest.event(answer.request_id()?, RECOVERY).await
    };
    for (upstream, key) in &keys {
        // A request of each caller, of which the third ejects; the fourth does not try it.
        for (caller, attempts) in Dialect::ALL.into_iter().zip([2; 3]).chain([(OpenAi, 1)]) {
            let event = ask(caller, *upstream).await?;
            let made = event["attempts"].as_array().context("no attempts")?;
            ensure!(made.len() == attempts, "{caller:?} at {upstream:?}: {event}");
            ensure!(attempts == 1 || made[0]["outcome"] == "connect_failed", "{event}");
        }
        let health = eventually("it is shown as ejected", RECOVERY, async || {
            let health = trio.rest.get(&format!("health/upstream-keys/{key}")).await?;
            Ok((health["state"] == "ejected").then_some(health))
        })
        .await?;
        ensure!(text(&health, "reason")?.contains("3 failures in a row, the last one: no connection"), "{health}");
    }
    let tap = Tap::listen(address, trio.simulator.address()).await?;
    let back = Instant::now();
    for (caller, (upstream, key)) in Dialect::ALL.into_iter().cycle().skip(1).zip(&keys) {
        eventually("the provider that is back serves", RECOVERY, async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok((text(&ask(caller, *upstream).await?, "upstream_key_id")? == key).then_some(()))
        })
        .await?;
    }
    ensure!(back.elapsed() < RECOVERY, "{:?}", back.elapsed());
    drop(tap);
    Ok(())
}
