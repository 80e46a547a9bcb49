//! Lists of models that are fetched by themselves, by one of several replicas, at a time that a test holds.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use admin_svc::{app::App, background::provider_models, store::configuration};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode as Status},
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    database::on_both,
    server::{Client, Server, at, options},
};

const GOOD: &str = "sk-good-0123456789abcdef";
const BAD: &str = "sk-bad-0123456789abcdef";
/// Far longer than a look takes, also beside other tests.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than it takes to look after a signal.
const A_LOOK: Duration = Duration::from_millis(800);
const HOUR: u64 = 3_600;

on_both!(
    crate::server::Server::start;
    list_comes_by_itself_and_again_after_some_hours,
    unchanged_list_makes_no_revision,
    failures_are_tried_again_later_or_with_a_new_key,
    several_replicas_ask_once,
    provider_that_moved_is_asked_anew,
);

/// Lists what it is told to, to the good key.
#[derive(Clone, Default)]
struct Upstream {
    models: Arc<Mutex<Vec<&'static str>>>,
    asked: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start(models: &[&'static str]) -> (Self, String) {
        let this = Self::default();
        this.list(models);
        let router = Router::new().route("/v1/models", get(answer)).with_state(this.clone());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (this, origin)
    }

    fn list(&self, models: &[&'static str]) {
        *self.models.lock() = models.to_vec();
    }

    async fn asked(&self, times: usize) {
        let asked = async {
            while self.asked.load(Ordering::Relaxed) < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap();
        self.asked_only(times).await;
    }

    /// Not more often than that, also after another look.
    async fn asked_only(&self, times: usize) {
        tokio::time::sleep(A_LOOK).await;
        assert_eq!(self.asked.load(Ordering::Relaxed), times);
    }
}

async fn answer(State(upstream): State<Upstream>, headers: HeaderMap) -> Response {
    upstream.asked.fetch_add(1, Ordering::Relaxed);
    if headers["authorization"] != format!("Bearer {GOOD}") {
        return Status::UNAUTHORIZED.into_response();
    }
    let list: Vec<Value> = upstream.models.lock().iter().map(|name| json!({"id": name})).collect();
    Json(json!({"data": list})).into_response()
}

/// Runs until it is dropped.
fn background(app: &App) -> DropGuard {
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "stopped when the guard is dropped")]
    tokio::spawn(provider_models::run(app.clone(), stop.clone()));
    stop.drop_guard()
}

async fn provider(admin: &Client, origin: &str) -> (Value, Value) {
    let body = json!({"name": "p", "kind": "openai", "base_url": origin});
    let provider = admin.create("/api/v1/providers", &body).await;
    let pool = admin.create("/api/v1/key-pools", &json!({"name": "p", "provider_id": provider["id"]})).await;
    (provider, pool)
}

async fn key(admin: &Client, pool: &Value, secret: &str) -> Value {
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": secret});
    admin.create("/api/v1/upstream-keys", &body).await
}

/// The provider, once it has this list.
async fn listed(admin: &Client, provider: &Value, models: &[&str]) -> Value {
    let path = at("/api/v1/providers", provider);
    let found = async {
        loop {
            let provider = admin.get(&path).await.expect(StatusCode::OK);
            if provider["models"] == json!(models) {
                return provider;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the list does not come")
}

async fn revision(server: &Server) -> u64 {
    configuration::head(&mut server.app.store().reader().await.unwrap()).await.unwrap().revision
}

/// Time goes by, and something makes the background look. The administrator has to sign in again.
async fn pass(server: &Server, seconds: u64) -> Client {
    server.advance(seconds);
    let admin = server.sign_in("admin@example.com").await;
    admin.provider(&format!("signal {}", server.clock.now())).await;
    admin
}

async fn list_comes_by_itself_and_again_after_some_hours(server: Server) {
    let admin = server.admin().await;
    let _background = background(&server.app);
    let (upstream, origin) = Upstream::start(&["gpt-4o"]).await;
    let (provider, pool) = provider(&admin, &origin).await;
    upstream.asked_only(0).await;
    key(&admin, &pool, GOOD).await;
    let first = listed(&admin, &provider, &["gpt-4o"]).await;
    assert_eq!(first["version"], 2);
    let records = admin.get("/api/v1/audit-events?limit=1").await.expect(StatusCode::OK);
    assert_eq!(
        (&records["items"][0]["actor"], &records["items"][0]["action"]),
        (&json!("system"), &json!("provider.update"))
    );

    upstream.list(&["gpt-4o", "gpt-5"]);
    pass(&server, HOUR).await;
    upstream.asked(1).await;
    let admin = pass(&server, 6 * HOUR).await;
    assert_eq!(listed(&admin, &provider, &["gpt-4o", "gpt-5"]).await["version"], 3);
    upstream.asked(2).await;
}

async fn unchanged_list_makes_no_revision(server: Server) {
    let admin = server.admin().await;
    let _background = background(&server.app);
    let (upstream, origin) = Upstream::start(&[]).await;
    let (provider, pool) = provider(&admin, &origin).await;
    key(&admin, &pool, GOOD).await;
    upstream.asked(1).await;
    assert_eq!(listed(&admin, &provider, &[]).await["version"], 1, "an empty list is one too");
    upstream.list(&["gpt-4o"]);
    let admin = pass(&server, 7 * HOUR).await;
    listed(&admin, &provider, &["gpt-4o"]).await;
    let admin = pass(&server, 7 * HOUR).await;
    let before = revision(&server).await;
    upstream.asked(3).await;
    assert_eq!(revision(&server).await, before);
    assert_eq!(listed(&admin, &provider, &["gpt-4o"]).await["version"], 2);
}

async fn failures_are_tried_again_later_or_with_a_new_key(server: Server) {
    let admin = server.admin().await;
    let _background = background(&server.app);
    let (upstream, origin) = Upstream::start(&["gpt-4o"]).await;
    let (provider, pool) = provider(&admin, &origin).await;
    let before = key(&admin, &pool, BAD).await;
    upstream.asked(1).await;
    pass(&server, 30).await;
    upstream.asked(1).await;
    pass(&server, 60).await;
    upstream.asked(2).await;
    let admin = pass(&server, 90).await;
    upstream.asked(2).await;
    let revision_before = revision(&server).await;
    admin.patch(&at("/api/v1/upstream-keys", &before), &json!({"status": "disabled"})).await.expect(StatusCode::OK);
    key(&admin, &pool, GOOD).await;
    listed(&admin, &provider, &["gpt-4o"]).await;
    assert_eq!(revision(&server).await, revision_before + 3, "a failure is no change");
    upstream.asked(3).await;
}

async fn several_replicas_ask_once(server: Server) {
    let admin = server.admin().await;
    let mut guards = vec![background(&server.app)];
    for _ in 0..3 {
        guards.push(background(&App::open(options(&server.database, &server.clock)).await.unwrap()));
    }
    let (upstream, origin) = Upstream::start(&["gpt-4o"]).await;
    let (provider, pool) = provider(&admin, &origin).await;
    key(&admin, &pool, GOOD).await;
    listed(&admin, &provider, &["gpt-4o"]).await;
    // The others look by their timers.
    tokio::time::sleep(Duration::from_secs(6)).await;
    upstream.asked(1).await;
    pass(&server, 7 * HOUR).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    upstream.asked(2).await;
}

async fn provider_that_moved_is_asked_anew(server: Server) {
    let admin = server.admin().await;
    let _background = background(&server.app);
    let (first, origin) = Upstream::start(&["gpt-4o"]).await;
    let (second, moved) = Upstream::start(&["gpt-5"]).await;
    let (provider, pool) = provider(&admin, &origin).await;
    key(&admin, &pool, GOOD).await;
    listed(&admin, &provider, &["gpt-4o"]).await;
    let path = at("/api/v1/providers", &provider);
    admin.patch(&path, &json!({"name": "renamed"})).await.expect(StatusCode::OK);
    first.asked(1).await;
    admin.patch(&path, &json!({"base_url": moved})).await.expect(StatusCode::OK);
    listed(&admin, &provider, &["gpt-5"]).await;
    second.asked(1).await;
    admin.delete(&at("/api/v1/providers", &provider)).await.refused(409, "in-use");
}
