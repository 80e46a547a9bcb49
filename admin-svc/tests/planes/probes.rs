//! Probes of upstream keys, against a provider on a socket of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use admin_svc::{background::health_probes, domain::key_probe::ProbePace};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode as Status,
    response::{IntoResponse, Response},
    routing::get,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_proto::{HealthVerdict, KeyState, OutcomeCounts};

use crate::{
    control_plane::{ControlPlane, id},
    database::on_both,
    health::PATH,
    health_stream::{HealthStream, state},
    proxies::eventually,
};

on_both!(
    crate::control_plane::ControlPlane::start;
    an_idle_key_is_probed_and_one_in_use_or_disabled_is_not,
    a_provider_that_comes_back_is_noticed,
    a_refused_key_is_shown_and_taken_back_when_it_is_changed,
    an_ejected_key_is_probed_soon,
    a_provider_that_was_never_reached_is_not_called_unreachable,
    a_test_on_demand_counts_as_a_probe,
    of_two_replicas_one_probes,
    many_probes_keep_nobody_waiting,
);

/// Far quicker than any operator would have it.
const PACE: ProbePace = ProbePace {
    idle: (Duration::from_millis(400), Duration::from_millis(600)),
    trouble: (Duration::from_millis(200), Duration::from_millis(300)),
    refused: Duration::from_mins(10),
};

/// Answers with what a test says, and counts.
#[derive(Default)]
struct Provider {
    status: AtomicU16,
    asked: AtomicU32,
}

impl Provider {
    async fn start() -> (Arc<Self>, String) {
        let provider = Arc::new(Self { status: AtomicU16::new(200), asked: AtomicU32::new(0) });
        let router = Router::new().route("/v1/models", get(models)).with_state(Arc::clone(&provider));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (provider, format!("http://{address}"))
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn models(State(provider): State<Arc<Provider>>) -> Response {
    provider.asked.fetch_add(1, Ordering::SeqCst);
    match provider.status.load(Ordering::SeqCst) {
        200 => Json(json!({"data": [{"id": "gpt-4o"}]})).into_response(),
        status => (Status::from_u16(status).unwrap(), "trouble").into_response(),
    }
}

fn probing(plane: &ControlPlane, pace: ProbePace) {
    let app = plane.app.clone();
    plane.running.spawn(|stop| health_probes::run(app, pace, stop));
}

/// A key at a provider, whose list of models is known so that nobody else asks for it.
async fn key(plane: &ControlPlane, base_url: &str) -> String {
    let body = json!({"name": "p", "kind": "openai", "base_url": base_url});
    let provider = plane.create("/api/v1/providers", &body).await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": "p", "provider_id": provider["id"]})).await;
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": "sk-canary-0123456789"});
    let key = id(&plane.create("/api/v1/upstream-keys", &body).await);
    let path = format!("/api/v1/providers/{}", id(&provider));
    eventually(plane, &path, |provider| !provider["models"].as_array().unwrap().is_empty()).await;
    key
}

async fn is(plane: &ControlPlane, key: &str, wanted: &str) -> Value {
    eventually(plane, &format!("{PATH}/{key}"), |health| health["state"] == wanted).await
}

async fn an_idle_key_is_probed_and_one_in_use_or_disabled_is_not(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    probing(&plane, PACE);
    let probed = is(&plane, &key, "healthy").await;
    assert_eq!(probed["last_probe"]["outcome"], "ok");
    assert!(probed["next_probe_at"].is_string());
    assert!(provider.asked() >= 2, "once for the list of models, and then by probes");

    let path = format!("/api/v1/upstream-keys/{key}");
    plane.call(Method::PATCH, &path, Some(&json!({"status": "disabled"})), StatusCode::OK).await;
    // What was under way by then.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = provider.asked();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(provider.asked(), before, "disabled");
    assert_eq!(plane.get(&format!("{PATH}/{key}")).await["state"], "disabled");

    plane.call(Method::PATCH, &path, Some(&json!({"status": "active"})), StatusCode::OK).await;
    let proxy = HealthStream::open(&plane).await;
    let ok = OutcomeCounts { ok: 1, ..Default::default() };
    proxy.report(vec![state(&key, Some("gpt-4o"), KeyState::Healthy, ok)]).await;
    eventually(&plane, &format!("{PATH}/{key}"), |health| health["models"][0]["outcomes"]["ok"] == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = provider.asked();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(provider.asked(), before, "in use");
}

async fn a_provider_that_comes_back_is_noticed(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    probing(&plane, PACE);
    is(&plane, &key, "healthy").await;
    let mut proxy = HealthStream::open(&plane).await;
    provider.answers(503);
    let hint = proxy.hint().await;
    assert_eq!((hint.verdict(), hint.upstream_key_id.as_str()), (HealthVerdict::Unreachable, key.as_str()));
    let shown = is(&plane, &key, "unreachable").await;
    assert_eq!(shown["reason"], "the upstream answered with status 503");
    provider.answers(200);
    let hint = loop {
        let hint = proxy.hint().await;
        if hint.verdict() != HealthVerdict::Unreachable {
            break hint;
        }
    };
    assert_eq!(hint.verdict(), HealthVerdict::Recovered);
    is(&plane, &key, "healthy").await;
    proxy.quiet(Duration::from_millis(1_500)).await;
}

async fn a_refused_key_is_shown_and_taken_back_when_it_is_changed(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    let mut proxy = HealthStream::open(&plane).await;
    provider.answers(401);
    probing(&plane, PACE);
    assert_eq!(proxy.hint().await.verdict(), HealthVerdict::Refused);
    let shown = is(&plane, &key, "refused").await;
    assert_eq!(shown["reason"], "the upstream refused the key (status 401)");
    assert!((500..=600).contains(&shown["retry_in_seconds"].as_u64().unwrap()), "{shown}");
    assert!(!shown.to_string().contains("canary"));
    let before = provider.asked();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(provider.asked(), before, "it is asked for again in ten minutes");
    provider.answers(200);
    let secret = json!({"secret": "sk-another-0123456789"});
    plane.call(Method::PATCH, &format!("/api/v1/upstream-keys/{key}"), Some(&secret), StatusCode::OK).await;
    assert_eq!(proxy.hint().await.verdict(), HealthVerdict::Recovered);
    is(&plane, &key, "healthy").await;
}

async fn an_ejected_key_is_probed_soon(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    let never = Duration::from_hours(1);
    probing(&plane, ProbePace { idle: (never, never), ..PACE });
    let mut proxy = HealthStream::open(&plane).await;
    let failed = OutcomeCounts { connect_failed: 5, ..Default::default() };
    proxy.report(vec![state(&key, Some("gpt-4o"), KeyState::Ejected, failed)]).await;
    let hint = proxy.hint().await;
    assert_eq!((hint.verdict(), hint.model), (HealthVerdict::Recovered, None));
    // It stays ejected although the provider answers: that it answers is no news.
    for _ in 0..10 {
        proxy.report(vec![state(&key, Some("gpt-4o"), KeyState::Ejected, OutcomeCounts::default())]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(provider.asked() >= 3, "it is probed on and on: {}", provider.asked());
    proxy.quiet(Duration::from_millis(10)).await;
}

async fn a_provider_that_was_never_reached_is_not_called_unreachable(plane: ControlPlane) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let body = json!({"name": "p", "kind": "openai", "base_url": format!("http://{closed}")});
    let provider = plane.create("/api/v1/providers", &body).await;
    let pool = plane.create("/api/v1/key-pools", &json!({"name": "p", "provider_id": provider["id"]})).await;
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": "sk-canary-0123456789"});
    let key = id(&plane.create("/api/v1/upstream-keys", &body).await);
    let mut proxy = HealthStream::open(&plane).await;
    probing(&plane, PACE);
    let shown = is(&plane, &key, "unreachable").await;
    assert_eq!(shown["last_probe"]["outcome"], "unreachable");
    proxy.quiet(Duration::from_secs(1)).await;
}

async fn a_test_on_demand_counts_as_a_probe(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    let mut proxy = HealthStream::open(&plane).await;
    let path = format!("/api/v1/upstream-keys/{key}/test");
    provider.answers(401);
    plane.call(Method::POST, &path, None, StatusCode::OK).await;
    assert_eq!(proxy.hint().await.verdict(), HealthVerdict::Refused);
    let refused = plane.get(&format!("{PATH}/{key}")).await;
    assert_eq!((&refused["state"], &refused["last_probe"]["outcome"]), (&json!("refused"), &json!("refused")));
    provider.answers(200);
    plane.call(Method::POST, &path, None, StatusCode::OK).await;
    assert_eq!(proxy.hint().await.verdict(), HealthVerdict::Recovered);
    assert_eq!(plane.get(&format!("{PATH}/{key}")).await["state"], "healthy");
}

async fn of_two_replicas_one_probes(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let key = key(&plane, &base_url).await;
    let replica = plane.replica().await;
    let before = provider.asked();
    let long = Duration::from_millis(1_500);
    for plane in [&plane, &replica] {
        probing(plane, ProbePace { idle: (long, long), ..PACE });
    }
    is(&replica, &key, "healthy").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(provider.asked(), before + 1);
}

/// The tasks that probe share the one way to write with everybody else.
async fn many_probes_keep_nobody_waiting(plane: ControlPlane) {
    let (provider, base_url) = Provider::start().await;
    let first = key(&plane, &base_url).await;
    let pool = plane.get(&format!("/api/v1/upstream-keys/{first}")).await["pool_id"].clone();
    let lines: Vec<String> = (0..40).map(|number| format!("sk-many-0123456789-{number}")).collect();
    let import = json!({"pool_id": pool, "lines": lines});
    plane.call(Method::POST, "/api/v1/upstream-keys/import", Some(&import), StatusCode::OK).await;
    let before = provider.asked();
    let often = (Duration::from_millis(40), Duration::from_millis(80));
    probing(&plane, ProbePace { idle: often, ..PACE });
    let path = format!("/api/v1/upstream-keys/{first}");
    let started = Instant::now();
    let mut weight = 1;
    while started.elapsed() < Duration::from_secs(3) {
        weight += 1;
        let change = json!({"weight": weight});
        let asked_at = Instant::now();
        plane.call(Method::PATCH, &path, Some(&change), StatusCode::OK).await;
        assert!(asked_at.elapsed() < Duration::from_secs(3), "{:?} for one change", asked_at.elapsed());
    }
    assert!(provider.asked() > before + 80, "each key more than once: {} after {before}", provider.asked());
}
