//! Tests of upstream keys and lists of models, against a simulated provider on a socket of its own.

use std::net::SocketAddr;

use admin_svc::app::App;
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode as Status},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tollgate_shared::address::AddressPolicy;

use crate::{
    database::on_both,
    server::{Client, Server, at, options},
};

const GOOD: &str = "sk-good-0123456789abcdef";
const BAD: &str = "sk-canary-0123456789abcdef";

on_both!(
    crate::server::Server::start;
    working_and_refused_keys_are_told_apart,
    failures_are_named_and_bounded,
    models_are_fetched_with_a_key_that_works,
    addresses_are_checked_when_connecting,
);

/// Answers as OpenAI does; a refusal repeats the key, as some providers do.
async fn models(headers: HeaderMap) -> Response {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if authorization == format!("Bearer {GOOD}") {
        return Json(json!({"data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]})).into_response();
    }
    (Status::UNAUTHORIZED, format!("wrong key: {authorization}")).into_response()
}

async fn simulated_provider() -> SocketAddr {
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/moved/models", get(async || Redirect::temporary("http://169.254.169.254/v1/models")))
        .route("/broken/models", get(async || "<html>"))
        .route("/large/models", get(async || "x".repeat(5 * 1024 * 1024)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A provider at this base URL, with a pool.
async fn provider(admin: &Client, name: &str, base_url: &str) -> (Value, Value) {
    let body = json!({"name": name, "kind": "openai", "base_url": base_url});
    let provider = admin.create("/api/v1/providers", &body).await;
    let pool = admin.create("/api/v1/key-pools", &json!({"name": name, "provider_id": provider["id"]})).await;
    (provider, pool)
}

async fn key(admin: &Client, pool: &Value, secret: &str, priority: u32) -> Value {
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": secret, "priority": priority});
    admin.create("/api/v1/upstream-keys", &body).await
}

async fn test(admin: &Client, key: &Value) -> Value {
    let answer = admin.post(&format!("{}/test", at("/api/v1/upstream-keys", key)), &json!({})).await;
    assert!(!answer.text.contains("canary"), "{}", answer.text);
    answer.expect(StatusCode::OK)
}

async fn working_and_refused_keys_are_told_apart(server: Server) {
    let admin = server.admin().await;
    let (_, pool) = provider(&admin, "p", &format!("http://{}", simulated_provider().await)).await;
    let good = test(&admin, &key(&admin, &pool, GOOD, 0).await).await;
    assert_eq!((&good["ok"], &good["models"], &good["error"]), (&json!(true), &json!(2), &Value::Null));
    let bad = test(&admin, &key(&admin, &pool, BAD, 0).await).await;
    assert_eq!((&bad["ok"], &bad["status"], &bad["error"]), (&json!(false), &json!(401), &json!("key_refused")));
}

async fn failures_are_named_and_bounded(server: Server) {
    let admin = server.admin().await;
    let address = simulated_provider().await;
    for (path, error) in [("moved", "status"), ("broken", "unreadable"), ("large", "too_large"), ("none", "status")] {
        let (_, pool) = provider(&admin, path, &format!("http://{address}/{path}")).await;
        assert_eq!(test(&admin, &key(&admin, &pool, GOOD, 0).await).await["error"], error, "{path}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, pool) = provider(&admin, "closed", &format!("http://{closed}")).await;
    assert_eq!(test(&admin, &key(&admin, &pool, GOOD, 0).await).await["error"], "connect");
    let (_, pool) = provider(&admin, "nowhere", "https://nowhere.invalid").await;
    assert_eq!(test(&admin, &key(&admin, &pool, GOOD, 0).await).await["error"], "resolve");
    let (_, pool) = provider(&admin, "plain", &format!("https://{address}")).await;
    assert_eq!(test(&admin, &key(&admin, &pool, GOOD, 0).await).await["error"], "connect", "no TLS there");
}

async fn models_are_fetched_with_a_key_that_works(server: Server) {
    let admin = server.admin().await;
    let (provider, pool) = provider(&admin, "p", &format!("http://{}", simulated_provider().await)).await;
    let refresh = format!("{}/models/refresh", at("/api/v1/providers", &provider));
    admin.post(&refresh, &json!({})).await.refused(409, "conflict");
    key(&admin, &pool, BAD, 0).await;
    let refused = admin.post(&refresh, &json!({})).await;
    refused.refused(502, "upstream");
    assert!(!refused.text.contains("canary"), "{}", refused.text);
    key(&admin, &pool, GOOD, 1).await;
    let refreshed = admin.post(&refresh, &json!({})).await.expect(StatusCode::OK);
    assert_eq!((&refreshed["models"], &refreshed["version"]), (&json!(["gpt-4o", "gpt-4o-mini"]), &json!(2)));
    let again = admin.post(&refresh, &json!({})).await.expect(StatusCode::OK);
    assert_eq!(again["version"], 2, "the same list is no change");
}

async fn addresses_are_checked_when_connecting(server: Server) {
    let admin = server.admin().await;
    let (_, pool) = provider(&admin, "p", &format!("http://{}", simulated_provider().await)).await;
    let key = key(&admin, &pool, GOOD, 0).await;
    let mut strict = options(&server.database, &server.clock);
    strict.address_policy = AddressPolicy::default();
    let strict = Server::serve(App::open(strict).await.unwrap()).await;
    let client = Client { base: strict.url(), ..admin };
    assert_eq!(test(&client, &key).await["error"], "address_refused");
}
