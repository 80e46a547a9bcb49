//! The first administrator.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    database::on_both,
    server::{PASSWORD, SETUP_TOKEN, Server},
};

on_both!(
    crate::server::Server::start;
    first_administrator_is_made_once, set_up_needs_the_token_and_valid_fields, set_ups_at_the_same_time_make_one);

async fn first_administrator_is_made_once(server: Server) {
    let client = server.anonymous();
    assert_eq!(client.get("/api/v1/setup").await.expect(StatusCode::OK)["needed"], true);
    let body = json!({"token": SETUP_TOKEN, "email": "Admin@Example.com", "password": PASSWORD, "name": "First"});
    let user = client.post("/api/v1/setup", &body).await.expect(StatusCode::CREATED);
    assert_eq!((user["email"].as_str(), user["role"].as_str()), (Some("admin@example.com"), Some("admin")));
    assert_eq!(client.get("/api/v1/setup").await.expect(StatusCode::OK)["needed"], false);
    client.post("/api/v1/setup", &body).await.refused(409, "conflict");
    let other = json!({"token": "wrong", "email": "b@example.com", "password": PASSWORD});
    client.post("/api/v1/setup", &other).await.refused(409, "conflict");
}

async fn set_up_needs_the_token_and_valid_fields(server: Server) {
    let client = server.anonymous();
    for token in ["", "wrong", "setup-token-of-the-test", "setup-token-of-the-tests "] {
        let body = json!({"token": token, "email": "a@example.com", "password": PASSWORD});
        client.post("/api/v1/setup", &body).await.refused(403, "forbidden");
    }
    let body = json!({"token": SETUP_TOKEN, "email": "not an address", "password": PASSWORD});
    assert_eq!(client.post("/api/v1/setup", &body).await.refused(422, "validation"), ["email"]);
    let body = json!({"token": SETUP_TOKEN, "email": "a@example.com", "password": "short"});
    assert_eq!(client.post("/api/v1/setup", &body).await.refused(422, "validation"), ["password"]);
    let body = json!({"token": SETUP_TOKEN, "email": "a@example.com"});
    assert_eq!(client.post("/api/v1/setup", &body).await.refused(422, "validation"), ["password"]);
    assert_eq!(client.get("/api/v1/setup").await.expect(StatusCode::OK)["needed"], true);
}

async fn set_ups_at_the_same_time_make_one(server: Server) {
    let client = server.anonymous();
    let bodies: Vec<_> = (0..5)
        .map(|index| json!({"token": SETUP_TOKEN, "email": format!("a{index}@example.com"), "password": PASSWORD}))
        .collect();
    let calls = bodies.iter().map(|body| client.post("/api/v1/setup", body));
    let answers = futures::future::join_all(calls).await;
    let made = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 201 | 409)), "{answers:?}");
}
