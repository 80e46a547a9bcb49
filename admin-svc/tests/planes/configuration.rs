//! `ConfigDiscovery.Watch`.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tollgate_proto::{
    Affinity, AffinitySource, FallbackCondition, FallbackPolicy, ResourceError, ResourceKind, ResourceRef, resource,
    watch_request,
};
use tonic::Code;

use crate::{
    control_plane::{ControlPlane, open},
    database::{Database, on_both},
    proxy::{Watch, hello, ids},
};

on_both!(
    crate::control_plane::ControlPlane::start;
    a_new_proxy_gets_everything_and_then_what_changes,
    a_proxy_that_is_a_little_behind_gets_only_the_changes,
    a_proxy_with_another_history_gets_everything,
    a_revoked_key_is_withdrawn_at_once,
    a_proxy_that_is_busy_gets_one_delta_for_all_that_it_missed,
    a_snapshot_is_the_same_bytes_whoever_asks_and_whenever,
    secrets_reach_proxies_in_clear,
    a_provider_reaches_proxies_with_what_it_offers,
    a_route_reaches_proxies_with_its_fallback_and_default_limit,
    affinity_and_quota_group_reach_proxies,
    a_refused_resource_is_shown_and_does_not_stop_the_next_change,
    a_proxy_that_could_take_nothing_gets_everything_again,
    heartbeats_tell_the_head,
    heartbeats_tell_how_many_proxies_share_a_limit,
    snapshots_are_sent_to_so_many_proxies_at_a_time,
    many_proxies_get_a_change_at_once,
    strangers_are_turned_away,
);

async fn a_new_proxy_gets_everything_and_then_what_changes(plane: ControlPlane) {
    let first = plane.provider("first").await;
    plane.published().await;
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    let resources = ids(&whole.resources);
    assert_eq!(resources.get(&first), Some(&"provider"));
    assert_eq!(resources.get("settings"), Some(&"settings"));

    let second = plane.provider("second").await;
    let delta = watch.delta().await;
    assert_eq!((delta.epoch, delta.from), (whole.epoch, whole.revision));
    assert!(delta.to > delta.from);
    assert_eq!(ids(&delta.upserts).into_keys().collect::<Vec<_>>(), [second.as_str()]);
    watch.ack(delta.nonce, delta.to).await;

    plane.call(Method::DELETE, &format!("/api/v1/providers/{second}"), None, StatusCode::NO_CONTENT).await;
    let next = watch.delta().await;
    assert_eq!(next.from, delta.to);
    assert!(next.upserts.is_empty());
    assert_eq!(next.deletes, [ResourceRef { kind: ResourceKind::Provider.into(), id: second }]);
}

async fn a_proxy_that_is_a_little_behind_gets_only_the_changes(plane: ControlPlane) {
    let (watch, whole) = Watch::in_sync(&plane).await;
    drop(watch);
    let added = plane.provider("added").await;
    let mut again = Watch::open(&plane, hello(&whole.epoch, whole.revision)).await;
    let delta = again.delta().await;
    assert_eq!(delta.from, whole.revision);
    assert_eq!(ids(&delta.upserts).into_keys().collect::<Vec<_>>(), [added.as_str()]);

    // The change log is as good after a restart of the control plane.
    let plane = plane.restart().await;
    let mut again = Watch::open(&plane, hello(&whole.epoch, whole.revision)).await;
    assert_eq!(ids(&again.delta().await.upserts).into_keys().collect::<Vec<_>>(), [added.as_str()]);

    let mut current = Watch::open(&plane, hello(&whole.epoch, delta.to)).await;
    current.quiet(Duration::from_millis(700)).await;
}

async fn a_proxy_with_another_history_gets_everything(plane: ControlPlane) {
    let (_watch, whole) = Watch::in_sync(&plane).await;
    let mut other_epoch = Watch::open(&plane, hello("01a20752-657a-716b-aaef-13b01cf2bcba", whole.revision)).await;
    assert_eq!(other_epoch.whole().await.revision, whole.revision);
    let mut ahead = Watch::open(&plane, hello(&whole.epoch, whole.revision + 1)).await;
    assert_eq!(ahead.whole().await.revision, whole.revision);
}

#[tokio::test]
async fn a_gap_in_the_change_log_gives_everything() {
    let database = Database::sqlite();
    let plane = ControlPlane::start(database).await;
    let (watch, whole) = Watch::in_sync(&plane).await;
    drop(watch);
    for name in ["a", "b", "c"] {
        plane.provider(name).await;
    }
    let ControlPlane { running, database, .. } = plane;
    running.stop().await;
    let app = open(&database).await;
    let mut tx = app.store().begin_append().await.unwrap();
    sqlx::query("DELETE FROM configuration_changes WHERE revision <= $1")
        .bind(i64::try_from(whole.revision).unwrap() + 1)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let plane = ControlPlane::start_with(app, database).await;
    let mut behind = Watch::open(&plane, hello(&whole.epoch, whole.revision)).await;
    assert_eq!(behind.whole().await.revision, whole.revision + 3);
    let mut covered = Watch::open(&plane, hello(&whole.epoch, whole.revision + 1)).await;
    assert_eq!(covered.delta().await.upserts.len(), 2);
}

async fn a_revoked_key_is_withdrawn_at_once(plane: ControlPlane) {
    let (_, key) = plane.access_key("app").await;
    plane.published().await;
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    assert_eq!(ids(&whole.resources).get(&key), Some(&"access_key"));
    plane.call(Method::DELETE, &format!("/api/v1/access-keys/{key}"), None, StatusCode::NO_CONTENT).await;
    let answered = Instant::now();
    let delta = watch.delta().await;
    assert_eq!(delta.deletes, [ResourceRef { kind: ResourceKind::AccessKey.into(), id: key }]);
    // Well below the poll interval: the signal did it.
    assert!(answered.elapsed() < Duration::from_millis(300), "{:?}", answered.elapsed());
}

async fn a_proxy_that_is_busy_gets_one_delta_for_all_that_it_missed(plane: ControlPlane) {
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    plane.provider("first").await;
    let first = watch.delta().await;
    let second = plane.provider("second").await;
    let third = plane.provider("third").await;
    plane.call(Method::DELETE, &format!("/api/v1/providers/{second}"), None, StatusCode::NO_CONTENT).await;
    watch.quiet(Duration::from_millis(700)).await;
    // An answer to something else does not count.
    watch.ack(first.nonce + 1_000, first.to).await;
    watch.quiet(Duration::from_millis(200)).await;
    watch.ack(first.nonce, first.to).await;
    let rest = watch.delta().await;
    assert_eq!((rest.from, rest.to), (first.to, whole.revision + 4));
    assert_eq!(ids(&rest.upserts).into_keys().collect::<Vec<_>>(), [third.as_str()]);
    assert_eq!(rest.deletes, [ResourceRef { kind: ResourceKind::Provider.into(), id: second }]);
}

async fn a_snapshot_is_the_same_bytes_whoever_asks_and_whenever(plane: ControlPlane) {
    for name in ["one", "two", "three"] {
        plane.access_key(name).await;
    }
    plane.published().await;
    let (_first, one) = Watch::in_sync(&plane).await;
    let (_second, other) = Watch::in_sync(&plane).await;
    assert!(one.compressed == other.compressed);
    // After a restart everything is read anew, not put together from changes.
    let plane = plane.restart().await;
    let (_third, anew) = Watch::in_sync(&plane).await;
    assert_eq!(one.revision, anew.revision);
    assert!(one.compressed == anew.compressed, "the same rows make the same snapshot");
}

async fn secrets_reach_proxies_in_clear(plane: ControlPlane) {
    let provider = plane.provider("upstream").await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": "pool", "provider_id": provider})).await;
    plane.published().await;
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    let pepper = whole.resources.iter().find_map(|resource| match resource.resource.as_ref() {
        Some(resource::Resource::Settings(settings)) => Some(settings.clone()),
        _ => None,
    });
    let settings = pepper.unwrap();
    assert_eq!(settings.access_key_pepper.len(), 32);
    let [key] = &settings.access_token_keys[..] else { panic!("one key signs tokens: {settings:?}") };
    assert_eq!((key.public_key.len(), key.id.len()), (32, 16));
    let rotated = plane.app.rotate_token_key().await.unwrap();
    let mut delta = watch.delta().await;
    watch.ack(delta.nonce, delta.to).await;
    match delta.upserts.remove(0).resource {
        Some(resource::Resource::Settings(settings)) => {
            let ids: Vec<&str> = settings.access_token_keys.iter().map(|key| key.id.as_str()).collect();
            assert_eq!(ids, [rotated.as_str(), key.id.as_str()], "the new key and the one before");
        }
        other => panic!("settings were expected, but {other:?} came"),
    }
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": "sk-of-the-tests-0123456789"});
    plane.create("/api/v1/upstream-keys", &body).await;
    match watch.delta().await.upserts.remove(0).resource {
        Some(resource::Resource::UpstreamKey(key)) => {
            assert_eq!(key.secret, "sk-of-the-tests-0123456789");
            assert!(key.enabled);
        }
        other => panic!("an upstream key was expected, but {other:?} came"),
    }
}

async fn a_provider_reaches_proxies_with_what_it_offers(plane: ControlPlane) {
    let (mut watch, _) = Watch::in_sync(&plane).await;
    for (kind, said, expected) in [
        ("openai", json!({}), true),
        ("openai_compatible", json!({"responses_api": true}), true),
        ("openai_compatible", json!({}), false),
        ("anthropic", json!({}), false),
    ] {
        let mut body = json!({"name": format!("{kind} {said}"), "kind": kind, "base_url": "https://p.example"});
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        plane.create("/api/v1/providers", &body).await;
        let delta = watch.delta().await;
        let Some(resource::Resource::Provider(provider)) = &delta.upserts[0].resource else {
            panic!("a provider was expected, but {:?} came", delta.upserts[0]);
        };
        assert_eq!(provider.responses_api, Some(expected), "{kind}");
        watch.ack(delta.nonce, delta.to).await;
    }
}

async fn a_route_reaches_proxies_with_its_fallback_and_default_limit(plane: ControlPlane) {
    let provider = plane.provider("upstream").await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": "pool", "provider_id": provider})).await;
    plane.published().await;
    let (mut watch, _) = Watch::in_sync(&plane).await;
    let every = [
        ("rate_limited", FallbackCondition::RateLimited),
        ("overloaded", FallbackCondition::Overloaded),
        ("server_error", FallbackCondition::ServerError),
        ("timeout", FallbackCondition::Timeout),
        ("credentials_refused", FallbackCondition::CredentialsRefused),
        ("context_window", FallbackCondition::ContextWindow),
        ("content_policy", FallbackCondition::ContentPolicy),
    ];
    let routes = json!([
        {"models": ["a"], "targets": [{"pool_id": pool["id"], "default_max_tokens": 8192}],
            "fallback_on": every.map(|(word, _)| word)},
        {"models": ["b"], "targets": [{"pool_id": pool["id"]}], "fallback_on": []},
        {"models": ["c"], "targets": [{"pool_id": pool["id"]}]},
    ]);
    plane.create("/api/v1/services", &json!({"name": "s", "slug": "s", "routes": routes})).await;
    let routes = match watch.delta().await.upserts.remove(0).resource {
        Some(resource::Resource::Service(service)) => service.routes,
        other => panic!("a service was expected, but {other:?} came"),
    };
    let fallbacks: Vec<_> = routes.iter().map(|route| route.fallback.clone()).collect();
    let all = every.map(|(_, condition)| condition.into()).to_vec();
    assert_eq!(fallbacks, [Some(FallbackPolicy { on: all }), Some(FallbackPolicy { on: vec![] }), None]);
    let defaults = routes.iter().map(|route| route.targets[0].default_max_tokens);
    assert_eq!(defaults.collect::<Vec<_>>(), [Some(8192), None, None]);
}

async fn affinity_and_quota_group_reach_proxies(plane: ControlPlane) {
    let provider = plane.provider("upstream").await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": "pool", "provider_id": provider})).await;
    plane.published().await;
    let (mut watch, _) = Watch::in_sync(&plane).await;
    let routes = json!([{"models": ["a"], "targets": [{"pool_id": pool["id"]}]}]);
    let affinity = json!({"by": ["metadata.user_id", "prompt_cache_key", "header"], "header": "X-Conversation"});
    let service = json!({"name": "s", "slug": "s", "routes": routes, "affinity": affinity});
    plane.create("/api/v1/services", &service).await;
    let delta = watch.delta().await;
    watch.ack(delta.nonce, delta.to).await;
    let by = [AffinitySource::MetadataUserId, AffinitySource::PromptCacheKey, AffinitySource::Header];
    let expected = Affinity { by: by.map(Into::into).to_vec(), header: "x-conversation".to_owned() };
    match &delta.upserts[0].resource {
        Some(resource::Resource::Service(service)) => assert_eq!(service.affinity, Some(expected)),
        other => panic!("a service was expected, but {other:?} came"),
    }
    let key = json!({"pool_id": pool["id"], "name": "k", "secret": "sk-1", "quota_group": "account 1"});
    plane.create("/api/v1/upstream-keys", &key).await;
    match &watch.delta().await.upserts[0].resource {
        Some(resource::Resource::UpstreamKey(key)) => assert_eq!(key.quota_group, "account 1"),
        other => panic!("an upstream key was expected, but {other:?} came"),
    }
}

async fn a_refused_resource_is_shown_and_does_not_stop_the_next_change(plane: ControlPlane) {
    let mine = hello("", 0);
    let proxy = mine.proxy_id.clone();
    let mut watch = Watch::open(&plane, mine).await;
    let whole = watch.whole().await;
    watch.ack(whole.nonce, whole.revision).await;
    let refused = plane.provider("refused").await;
    let delta = watch.delta().await;
    let error = ResourceError {
        resource: Some(ResourceRef { kind: ResourceKind::Provider.into(), id: refused.clone() }),
        field: "base_url".to_owned(),
        message: "cannot be used".to_owned(),
    };
    watch.nack(delta.nonce, delta.to, vec![error]).await;
    let path = format!("/api/v1/proxies/{proxy}");
    let shown = crate::proxies::eventually(&plane, &path, |proxy| proxy["errors"][0].is_object()).await;
    let expected = json!({"kind": "provider", "id": refused, "field": "base_url", "message": "cannot be used"});
    assert_eq!(shown["errors"], json!([expected]));
    assert_eq!((&shown["converged"], &shown["revision"]), (&json!(false), &json!(delta.to)));

    plane.provider("next").await;
    let next = watch.delta().await;
    assert_eq!(next.from, delta.to);
    watch.ack(next.nonce, next.to).await;
    let shown = crate::proxies::eventually(&plane, &path, |proxy| proxy["converged"] == true).await;
    assert_eq!(shown["errors"], json!([]));
}

async fn a_proxy_that_could_take_nothing_gets_everything_again(plane: ControlPlane) {
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    plane.provider("damaged on its way").await;
    let delta = watch.delta().await;
    watch.nack(delta.nonce, whole.revision, Vec::new()).await;
    let again = watch.whole().await;
    assert_eq!(again.revision, delta.to);
}

async fn heartbeats_tell_the_head(plane: ControlPlane) {
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    watch.quiet(Duration::from_millis(5_500)).await;
    assert!(watch.heartbeats.len() >= 2, "{:?}", watch.heartbeats);
    let last = watch.heartbeats.last().unwrap();
    assert_eq!((&last.epoch, last.head_revision), (&whole.epoch, whole.revision));
}

async fn heartbeats_tell_how_many_proxies_share_a_limit(plane: ControlPlane) {
    let (mut watch, _) = Watch::in_sync(&plane).await;
    let (second, _) = Watch::in_sync(&plane).await;
    watch.quiet(Duration::from_millis(5_500)).await;
    assert_eq!(watch.heartbeats.last().unwrap().live_proxies, 2, "{:?}", watch.heartbeats);
    drop(second);
    watch.quiet(Duration::from_millis(5_500)).await;
    watch.quiet(Duration::from_millis(5_500)).await;
    assert_eq!(watch.heartbeats.last().unwrap().live_proxies, 1, "{:?}", watch.heartbeats);
}

async fn snapshots_are_sent_to_so_many_proxies_at_a_time(plane: ControlPlane) {
    let mut under_way = Vec::new();
    for _ in 0..32 {
        let mut watch = Watch::open(&plane, hello("", 0)).await;
        let whole = watch.whole().await;
        under_way.push((watch, whole));
    }
    let mut waiting = Watch::open(&plane, hello("", 0)).await;
    waiting.quiet(Duration::from_millis(500)).await;
    let (done, whole) = &under_way[7];
    done.ack(whole.nonce, whole.revision).await;
    assert_eq!(waiting.whole().await.revision, whole.revision);
    // One that leaves makes room as well.
    let mut next = Watch::open(&plane, hello("", 0)).await;
    next.quiet(Duration::from_millis(300)).await;
    under_way.remove(0);
    next.whole().await;
}

async fn many_proxies_get_a_change_at_once(plane: ControlPlane) {
    let (_, key) = plane.access_key("app").await;
    plane.published().await;
    let mut watches = Vec::new();
    for _ in 0..60 {
        watches.push(Watch::in_sync(&plane).await.0);
    }
    plane.call(Method::DELETE, &format!("/api/v1/access-keys/{key}"), None, StatusCode::NO_CONTENT).await;
    let answered = Instant::now();
    for watch in &mut watches {
        assert_eq!(watch.delta().await.deletes.len(), 1);
    }
    assert!(answered.elapsed() < Duration::from_secs(1), "{:?}", answered.elapsed());
}

async fn strangers_are_turned_away(plane: ControlPlane) {
    let open = async |first, token: &str| match Watch::try_open(&plane, first, token).await {
        Err(status) => status.code(),
        Ok(mut watch) => watch.next().await.unwrap_err().code(),
    };
    let first = || watch_request::Message::Hello(hello("", 0));
    assert_eq!(open(first(), "another-token").await, Code::Unauthenticated);
    assert_eq!(open(first(), "").await, Code::Unauthenticated);
    let ack = watch_request::Message::Ack(tollgate_proto::Ack { nonce: 1, revision: 1 });
    assert_eq!(open(ack, crate::control_plane::JOIN_TOKEN).await, Code::InvalidArgument);
    let nameless = tollgate_proto::Hello { proxy_id: "proxy".to_owned(), ..hello("", 0) };
    let nameless = watch_request::Message::Hello(nameless);
    assert_eq!(open(nameless, crate::control_plane::JOIN_TOKEN).await, Code::InvalidArgument);
    let old = watch_request::Message::Hello(tollgate_proto::Hello { schema: 0, ..hello("", 0) });
    assert_eq!(open(old, crate::control_plane::JOIN_TOKEN).await, Code::FailedPrecondition);
}
