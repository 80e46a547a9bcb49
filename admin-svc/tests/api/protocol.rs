//! What any request may get wrong, whatever the resource.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    database::{Database, on_both},
    server::{Server, at, send},
};

const PROVIDERS: &str = "/api/v1/providers";

on_both!(
    crate::server::Server::start;
    odd_ids_are_not_found);

#[tokio::test]
async fn malformed_requests_are_problems() {
    let server = Server::start(Database::sqlite()).await;
    let admin = server.admin().await;
    let post = |content_type: &str, body: &[u8]| {
        admin.request(Method::POST, PROVIDERS).header("content-type", content_type).body(body.to_vec())
    };
    for body in ["", "{", "{\"name\": }", "nonsense", "{} {}", "{\"name\": \"\\ud800\"}"] {
        let status = send(post("application/json", body.as_bytes())).await.status.as_u16();
        assert!(matches!(status, 400 | 422), "{body}: {status}");
    }
    send(post("application/json", b"{")).await.refused(400, "malformed");
    send(post("application/json", b"{\"name\": \"\xff\xfe\"}")).await.refused(400, "malformed");
    send(post("application/json", "[".repeat(10_000).as_bytes())).await.refused(400, "malformed");
    send(post("application/json", b"[]")).await.refused(422, "validation");
    send(post("application/json", br#"["p", "openai"]"#)).await.refused(422, "validation");
    let twice = send(post("application/json", br#"{"name": "p", "timeouts": {"idle_ms": 1, "idle_ms": 2}}"#)).await;
    twice.refused(422, "validation");
    assert_eq!(twice.json["errors"][0], json!({"field": "timeouts.idle_ms", "message": "must not be repeated"}));
    send(post("text/plain", b"{}")).await.refused(415, "content-type");
    send(admin.request(Method::POST, PROVIDERS).body("{}")).await.refused(415, "content-type");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    send(post("application/json", large.as_bytes())).await.refused(413, "body-too-large");
    let fine = json!({"name": "p", "kind": "openai", "base_url": "https://api.openai.com"}).to_string();
    send(post("application/json; charset=utf-8", fine.as_bytes())).await.expect(StatusCode::CREATED);
    let bad_key = post("application/json", fine.as_bytes()).header("idempotency-key", "x".repeat(256));
    send(bad_key).await.refused(400, "malformed");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = Server::start(Database::sqlite()).await;
    let client = server.anonymous();
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v1/providers/a/b", "/api/v1/%ff"] {
        client.get(path).await.refused(404, "not-found");
    }
    let answer = send(client.request(Method::PUT, PROVIDERS)).await;
    answer.refused(405, "method-not-allowed");
    assert!(answer.header("allow").contains("POST"), "{}", answer.header("allow"));
    assert_eq!(answer.json["instance"], PROVIDERS);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

async fn odd_ids_are_not_found(server: Server) {
    let admin = server.admin().await;
    let provider = admin.provider("p").await;
    let upper = at(PROVIDERS, &provider).to_uppercase().replace("/API/V1/PROVIDERS", PROVIDERS);
    admin.get(&upper).await.expect(StatusCode::OK);
    for id in
        ["x", "%00", "%ff%fe", "..%2f..", "0190a5b8-0000-7000-8000-000000000000", "'%20OR%201=1--", &"9".repeat(5000)]
    {
        for resource in ["providers", "key-pools", "upstream-keys", "services", "access-keys", "users"] {
            let path = format!("/api/v1/{resource}/{id}");
            assert_eq!(admin.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(admin.delete(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    for query in ["action=%00", "target_id=%ff", "actor_id=x", "from=now"] {
        let status = admin.get(&format!("/api/v1/audit-events?{query}")).await.status.as_u16();
        assert!(matches!(status, 200 | 400), "{query}: {status}");
    }
}
