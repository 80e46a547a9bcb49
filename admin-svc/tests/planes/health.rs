//! The health of upstream keys: what proxies report is shown and passed on, by every replica.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tollgate_proto::{HealthVerdict, KeyState, OutcomeCounts};
use tollgate_shared::clock::Clock;
use tonic::Code;

use crate::{
    control_plane::{ControlPlane, id, open_at},
    database::{Database, on_both},
    health_stream::{HealthStream, state},
    proxies::eventually,
};

pub(crate) const PATH: &str = "/api/v1/health/upstream-keys";

on_both!(
    std::future::ready;
    states_are_shown_with_reason_and_countdown,
    what_one_proxy_was_told_is_told_to_the_others,
    replicas_show_and_tell_the_same,
    a_proxy_that_is_gone_is_forgotten,
    pages_are_cut_among_keys_of_one_state,
    streams_keep_to_the_protocol,
);

/// A key in a pool of its own, at an address that does not exist.
pub(crate) async fn key(plane: &ControlPlane, name: &str) -> (Value, String) {
    let provider = plane.provider(name).await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": name, "provider_id": provider})).await;
    (pool.clone(), key_in(plane, &pool, name).await)
}

async fn key_in(plane: &ControlPlane, pool: &Value, name: &str) -> String {
    let secret = format!("sk-{name}-0123456789");
    id(&plane.create("/api/v1/upstream-keys", &json!({"pool_id": pool["id"], "name": name, "secret": secret})).await)
}

fn limited() -> OutcomeCounts {
    OutcomeCounts { rate_limited: 1, ..Default::default() }
}

async fn states_are_shown_with_reason_and_countdown(database: Database) {
    let plane = ControlPlane::start(database).await;
    let (pool, key) = key(&plane, "a").await;
    let (_, other) = self::key(&plane, "b").await;
    let path = format!("{PATH}/{key}");
    let unknown = plane.get(&path).await;
    assert_eq!(
        (&unknown["state"], &unknown["models"], &unknown["until"]),
        (&json!("unknown"), &json!([]), &Value::Null)
    );

    let proxy = HealthStream::open(&plane).await;
    let mut cooling = state(&key, Some("gpt-4o"), KeyState::Cooling, limited());
    let until = plane.app.now() + 90 * 1_000_000;
    (cooling.until_unix_us, cooling.reason, cooling.ttft_us) =
        (Some(until), "rate limited (429)".to_owned(), Some(1_500));
    let ok = OutcomeCounts { ok: 3, ..Default::default() };
    proxy.report(vec![cooling, state(&key, Some("gpt-4o-mini"), KeyState::Healthy, ok)]).await;
    let shown = eventually(&plane, &path, |health| health["state"] == "cooling").await;
    assert_eq!(shown["reason"], "gpt-4o: rate limited (429)");
    let left = shown["retry_in_seconds"].as_u64().unwrap();
    assert!((80..=90).contains(&left), "{left}");
    assert_eq!((&shown["name"], &shown["pool_id"]), (&json!("a"), &pool["id"]));
    let [first, second] = shown["models"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!(
        (&first["model"], &first["state"], &first["ttft_ms"]),
        (&json!("gpt-4o"), &json!("cooling"), &json!(1.5))
    );
    assert_eq!(first["outcomes"]["rate_limited"], 1);
    assert_eq!((&second["state"], &second["outcomes"]["ok"]), (&json!("healthy"), &json!(3)));
    assert_eq!(shown["proxies"][0]["proxy_id"], proxy.proxy_id.as_str());

    let listed = async |query: &str| {
        let page = plane.get(&format!("{PATH}{query}")).await;
        let keys = page["items"].as_array().unwrap().iter();
        keys.map(|item| item["upstream_key_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, [key.clone(), other.clone()]);
    assert_eq!(listed("?state=cooling").await, [key.as_str()]);
    assert_eq!(listed("?state=refused").await, Vec::<String>::new());
    assert_eq!(listed(&format!("?pool_id={}", id(&pool))).await, [key.as_str()]);
    assert_eq!(listed(&format!("?provider_id={}", shown["provider_id"].as_str().unwrap())).await, [key]);
    let member = plane.user("member").await;
    member.get(PATH, StatusCode::OK).await;
    member.get(&format!("{PATH}?state=ill"), StatusCode::BAD_REQUEST).await;
}

async fn what_one_proxy_was_told_is_told_to_the_others(database: Database) {
    let plane = ControlPlane::start(database).await;
    let (_, key) = key(&plane, "a").await;
    let (mut one, mut other) = (HealthStream::open(&plane).await, HealthStream::open(&plane).await);
    let mut cooling = state(&key, Some("gpt-4o"), KeyState::Cooling, limited());
    cooling.until_unix_us = Some(plane.app.now() + 60 * 1_000_000);
    one.report(vec![cooling.clone()]).await;
    let hint = other.hint().await;
    assert_eq!((hint.verdict(), hint.model.as_deref()), (HealthVerdict::CoolingUntil, Some("gpt-4o")));
    assert_eq!(hint.until_unix_us, cooling.until_unix_us);
    assert!((50_000..=60_000).contains(&hint.ttl_ms), "{}", hint.ttl_ms);
    // It waits now, too: that is no news for the first one.
    cooling.outcomes = None;
    other.report(vec![cooling]).await;
    let refused = OutcomeCounts { refused: 1, ..Default::default() };
    other.report(vec![state(&key, None, KeyState::Refused, refused)]).await;
    let hint = one.hint().await;
    assert_eq!((hint.verdict(), hint.model), (HealthVerdict::Refused, None), "and nothing before it");
    // Whoever comes later is told both.
    let mut late = HealthStream::open(&plane).await;
    let mut verdicts = [late.hint().await.verdict(), late.hint().await.verdict()];
    verdicts.sort_by_key(|verdict| *verdict as i32);
    assert_eq!(verdicts, [HealthVerdict::Refused, HealthVerdict::CoolingUntil]);
    other.quiet(Duration::from_millis(200)).await;
}

async fn replicas_show_and_tell_the_same(database: Database) {
    let one = ControlPlane::start(database).await;
    let replica = one.replica().await;
    let (_, key) = key(&one, "a").await;
    let (here, mut there) = (HealthStream::open(&one).await, HealthStream::open(&replica).await);
    let mut cooling = state(&key, Some("gpt-4o"), KeyState::Cooling, limited());
    cooling.until_unix_us = Some(one.app.now() + 60 * 1_000_000);
    here.report(vec![cooling]).await;
    there.report(vec![state(&key, Some("gpt-4o"), KeyState::Ejected, OutcomeCounts::default())]).await;
    assert_eq!(there.hint().await.verdict(), HealthVerdict::CoolingUntil);
    for plane in [&one, &replica] {
        let path = format!("{PATH}/{key}");
        let shown = eventually(plane, &path, |health| health["proxies"].as_array().unwrap().len() == 2).await;
        assert_eq!(shown["state"], "ejected", "the worst of both");
        assert_eq!(shown["models"].as_array().unwrap().len(), 1);
    }
}

async fn a_proxy_that_is_gone_is_forgotten(database: Database) {
    let clock = Clock::held_at(Clock::system().now());
    let app = open_at(&database, clock.clone()).await;
    let plane = ControlPlane::start_with(app, database).await;
    let (_, key) = key(&plane, "a").await;
    let path = format!("{PATH}/{key}");
    let proxy = HealthStream::open(&plane).await;
    proxy.report(vec![state(&key, Some("gpt-4o"), KeyState::Ejected, OutcomeCounts::default())]).await;
    eventually(&plane, &path, |health| health["state"] == "ejected").await;
    drop(proxy);
    clock.advance(Duration::from_secs(14));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(plane.get(&path).await["state"], "ejected", "it may come back");
    clock.advance(Duration::from_secs(2));
    let gone = eventually(&plane, &path, |health| health["state"] == "unknown").await;
    assert_eq!(gone["proxies"], json!([]));
}

async fn pages_are_cut_among_keys_of_one_state(database: Database) {
    let plane = ControlPlane::start(database).await;
    let (pool, first) = key(&plane, "key-0").await;
    let mut keys = vec![first];
    for number in 1..5 {
        keys.push(key_in(&plane, &pool, &format!("key-{number}")).await);
    }
    let proxy = HealthStream::open(&plane).await;
    let refused = |key: &String| state(key, None, KeyState::Refused, OutcomeCounts::default());
    proxy.report(vec![refused(&keys[0]), refused(&keys[2]), refused(&keys[4])]).await;
    let path = format!("{PATH}?state=refused&limit=2");
    let page = eventually(&plane, &path, |page| page["items"].as_array().unwrap().len() == 2).await;
    assert_eq!(page["items"][1]["upstream_key_id"], keys[2].as_str());
    let rest = plane.get(&format!("{path}&after={}", page["next"].as_str().unwrap())).await;
    assert_eq!(rest["items"][0]["upstream_key_id"], keys[4].as_str());
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let all = plane.get(&format!("{PATH}?limit=3")).await;
    assert_eq!((all["items"].as_array().unwrap().len(), all["next"].as_str()), (3, Some(keys[2].as_str())));
}

async fn streams_keep_to_the_protocol(database: Database) {
    let plane = ControlPlane::start(database).await;
    let refused = HealthStream::try_open(&plane, "another token").await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut twice = HealthStream::open(&plane).await;
    twice.hello_again().await;
    assert_eq!(twice.ended().await.code(), Code::InvalidArgument);
    // What it does not understand is left out, and what comes with it is taken.
    let (_, key) = key(&plane, "a").await;
    let proxy = HealthStream::open(&plane).await;
    let ejected = state(&key, None, KeyState::Ejected, OutcomeCounts::default());
    let strange = tollgate_proto::KeyModelState { upstream_key_id: "x".to_owned(), ..ejected.clone() };
    proxy.report(vec![strange, ejected]).await;
    eventually(&plane, &format!("{PATH}/{key}"), |health| health["state"] == "ejected").await;
}
