//! Where the cases of a table are played: all on one stack, each with keys or a model of its own.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, future::join, stream};
use serde_json::{Value, json};
use tollgate_tests::{Dialect, Trio, eventually::START, requests, rest::text, seed::secret, trio::Settings};

use super::{
    case::{Case, Counts, Key},
    table::Fault,
};

/// So many retries are permitted at a time however few requests are in work: with more cases at once, some would be told
/// of their first failure.
pub(super) const RETRIED_AT_ONCE: usize = 3;
/// Of cases in which nothing is tried again.
const AT_ONCE: usize = 12;
/// Requests of the set-up.
const BUILDERS: usize = 8;

/// Without probes, which would say of keys that they work, and let the next request be a trial.
pub(super) async fn start() -> anyhow::Result<Trio> {
    let admin = vec![("TOLLGATE_ADMIN_PROBES__ENABLED", "false".to_owned())];
    Trio::start_with(Settings { admin, ..Settings::default() }).await
}

/// Plays all cases of all faults.
pub(super) async fn play(faults: &[Fault]) -> anyhow::Result<()> {
    let trio = start().await?;
    let cases = set(&trio, faults, true).await?;
    trio.in_force().await?;
    let client = requests::client()?;
    let at_once = if faults.iter().any(|fault| fault.comes.is_retried()) { RETRIED_AT_ONCE } else { AT_ONCE };
    let played = stream::iter(&cases).map(|case| case.play(&trio, &client)).buffer_unordered(at_once);
    let (mut played, mut seen) = join(played.collect::<HashMap<_, _>>(), shown(&trio, &cases)).await;
    let counts = counts(&trio).await?;
    let seen = seen.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let failures: Vec<String> = (cases.iter())
        .filter_map(|case| {
            let played = played.remove(&*case.name).context("not played").flatten();
            let checked = played.and_then(|begun| case.check_shown(seen.remove(&*case.name), begun));
            let error = checked.and_then(|()| case.check_calls(&counts)).err()?;
            Some(format!("{}: {error:#}", case.name))
        })
        .collect();
    ensure!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
    Ok(())
}

/// The cases of these faults. `all`: also those in which both keys meet them.
pub(super) async fn set(trio: &Trio, faults: &[Fault], all: bool) -> anyhow::Result<Vec<Case>> {
    let cases = stream::iter(faults).map(|fault| set_fault(trio, fault, all)).buffer_unordered(BUILDERS);
    Ok(cases.try_collect::<Vec<_>>().await?.concat())
}

/// A service with routes for each caller and provider.
async fn set_fault(trio: &Trio, fault: &Fault, all: bool) -> anyhow::Result<Vec<Case>> {
    let (mut routes, mut cases) = (Vec::new(), Vec::new());
    for upstream in fault.upstreams.iter().copied() {
        for caller in fault.callers.iter().copied() {
            let (mut pool_id, keys) = pool(trio, upstream).await?;
            let first = Case::of_first(fault, caller, upstream, keys);
            routes.push(first.route(&pool_id));
            if all && let Some(told) = fault.told(caller, upstream) {
                let mut keys = first.keys.clone();
                if fault.comes.is_of_key() {
                    (pool_id, keys) = pool(trio, upstream).await?;
                }
                let both = first.of_both(told, keys);
                routes.push(both.route(&pool_id));
                cases.push(both);
            }
            cases.push(first);
        }
    }
    for rule in cases.iter().flat_map(|case| case.rules(all)) {
        trio.simulator.fault(rule, None, fault.script.clone()).await?;
    }
    let name = fault.name.replace('_', "-");
    let service = json!({"name": name, "slug": name, "strategy": "round_robin", "routes": routes,
        "timeouts": {"first_byte_ms": fault.patience_ms, "idle_ms": fault.patience_ms}});
    let service = trio.rest.create("services", &service).await?;
    let access_key = json!({"service_id": text(&service, "id")?, "name": name});
    let access_key = trio.rest.create("access-keys", &access_key).await?;
    for case in &mut cases {
        text(&access_key, "secret")?.clone_into(&mut case.access_key);
    }
    Ok(cases)
}

/// Two keys, of which the first is asked first.
async fn pool(trio: &Trio, upstream: Dialect) -> anyhow::Result<(String, [Key; 2])> {
    let pool = json!({"name": secret("pool", upstream.name()), "provider_id": trio.seed.provider_id(upstream)?});
    let pool_id = text(&trio.rest.create("key-pools", &pool).await?, "id")?.to_owned();
    let key = async |priority: u32| {
        let secret = secret("sk", upstream.name());
        let key = json!({"pool_id": pool_id, "name": priority.to_string(), "secret": secret, "priority": priority});
        let id = text(&trio.rest.create("upstream-keys", &key).await?, "id")?.to_owned();
        anyhow::Ok(Key { id, secret })
    };
    let keys = [key(0).await?, key(1).await?];
    Ok((pool_id, keys))
}

/// What the control plane shows of each case's first key, and when, once it is what the case wants; the rest is missing
/// when it does not come to that.
async fn shown<'c>(trio: &Trio, cases: &'c [Case]) -> anyhow::Result<HashMap<&'c str, (Value, Instant)>> {
    let first = |case: &'c Case| case.shown().map(|_| (&*case.keys[0].id, case));
    let mut missing: HashMap<&str, &Case> = cases.iter().filter_map(first).collect();
    let mut seen = HashMap::new();
    let deadline = Instant::now() + START;
    while !missing.is_empty() && Instant::now() < deadline {
        for health in trio.rest.all("health/upstream-keys").await? {
            let id = text(&health, "upstream_key_id")?;
            if let Some((case, found)) = missing.get(id).and_then(|case| Some((*case, case.find(&health)?))) {
                missing.remove(id);
                seen.insert(&*case.name, (found, Instant::now()));
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(seen)
}

/// Of all requests that have reached the provider.
async fn counts(trio: &Trio) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for received in trio.simulator.requests(0).await? {
        *counts.entry((received.credential.unwrap_or_default(), received.model)).or_default() += 1;
    }
    Ok(counts)
}
