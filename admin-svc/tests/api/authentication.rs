//! Log-ins, tokens, sessions.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    database::{Database, on_both},
    server::{Answer, Client, PASSWORD, Server, at, send},
};

on_both!(
    crate::server::Server::start;
    log_in_gives_a_token_that_expires,
    wrong_credentials_get_one_answer,
    guessing_is_slowed_down,
    refresh_token_changes_and_its_reuse_ends_the_session,
    browser_keeps_the_refresh_token_in_a_cookie,
    log_out_ends_the_session,
    disabled_user_is_out_at_once,
    new_password_ends_sessions,
    registration_is_closed,
);

async fn log_in(client: &Client, email: &str, password: &str, query: &str) -> Answer {
    client.post(&format!("/api/v1/auth/login{query}"), &json!({"email": email, "password": password})).await
}

async fn log_in_gives_a_token_that_expires(server: Server) {
    server.admin().await;
    let client = server.anonymous();
    client.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    let answer = log_in(&client, " ADMIN@example.com ", PASSWORD, "").await;
    let body = answer.expect(StatusCode::OK);
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["user"]["email"], "admin@example.com");
    assert!(body.get("refresh_token").is_none());
    let client = Client { token: body["access_token"].as_str().map(str::to_owned), ..client };
    let me = client.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    assert_eq!(me["role"], "admin");
    assert!(me.get("password_hash").is_none());
    server.advance(599);
    assert_eq!(client.get("/api/v1/auth/me").await.status, StatusCode::OK);
    server.advance(1);
    let refused = client.get("/api/v1/auth/me").await;
    refused.refused(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    for token in ["", "x", "a.b.c", "tg_nothing"] {
        let client = Client { token: Some(token.to_owned()), ..client.clone() };
        client.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    }
}

async fn wrong_credentials_get_one_answer(server: Server) {
    server.admin().await;
    let client = server.anonymous();
    let known = log_in(&client, "admin@example.com", "wrong password", "").await;
    let unknown = log_in(&client, "nobody@example.com", "wrong password", "").await;
    let absurd = log_in(&client, "nul\0@example.com", "wrong password", "").await;
    for answer in [&known, &unknown, &absurd] {
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.json["detail"], known.json["detail"]);
    }
}

async fn guessing_is_slowed_down(server: Server) {
    server.admin().await;
    let client = server.anonymous();
    for _ in 0..5 {
        log_in(&client, "admin@example.com", "wrong password", "").await.refused(401, "unauthenticated");
    }
    let slowed = log_in(&client, "admin@example.com", PASSWORD, "").await;
    slowed.refused(429, "throttled");
    assert_eq!(slowed.header("retry-after"), "1");
    server.advance(2);
    log_in(&client, "admin@example.com", PASSWORD, "").await.expect(StatusCode::OK);
}

async fn refresh_token_changes_and_its_reuse_ends_the_session(server: Server) {
    server.admin().await;
    let client = server.anonymous();
    let refresh = async |token: &Value| client.post("/api/v1/auth/refresh", &json!({"refresh_token": token})).await;
    let first = log_in(&client, "admin@example.com", PASSWORD, "?client=cli").await.expect(StatusCode::OK);
    let second = refresh(&first["refresh_token"]).await.expect(StatusCode::OK);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let signed_in = Client { token: second["access_token"].as_str().map(str::to_owned), ..client.clone() };
    assert_eq!(signed_in.get("/api/v1/auth/me").await.status, StatusCode::OK);
    refresh(&first["refresh_token"]).await.refused(401, "unauthenticated");
    refresh(&second["refresh_token"]).await.refused(401, "unauthenticated");
    signed_in.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    refresh(&json!("tgr_unknown")).await.refused(401, "unauthenticated");
    let other = log_in(&client, "admin@example.com", PASSWORD, "?client=cli").await.expect(StatusCode::OK);
    server.advance(31 * 24 * 60 * 60);
    refresh(&other["refresh_token"]).await.refused(401, "unauthenticated");
}

async fn browser_keeps_the_refresh_token_in_a_cookie(server: Server) {
    server.admin().await;
    let client = server.anonymous();
    let answer = log_in(&client, "admin@example.com", PASSWORD, "").await;
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["tollgate_refresh=tgr_", "HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the tests speak plain HTTP");
    let pair = cookie.split(';').next().unwrap().to_owned();
    let refresh = || client.request(Method::POST, "/api/v1/auth/refresh").header(header::COOKIE, &pair);
    send(refresh()).await.refused(403, "csrf");
    let answer = send(refresh().header("x-tollgate-csrf", "1")).await;
    assert_ne!(answer.header("set-cookie").split(';').next(), Some(pair.as_str()));
    assert!(answer.expect(StatusCode::OK).get("refresh_token").is_none());
    client.post("/api/v1/auth/refresh", &json!({})).await.refused(401, "unauthenticated");
}

async fn log_out_ends_the_session(server: Server) {
    let admin = server.admin().await;
    let answer = admin.post("/api/v1/auth/logout", &json!({})).await;
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    answer.expect(StatusCode::NO_CONTENT);
    admin.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    let client = server.anonymous();
    let session = log_in(&client, "admin@example.com", PASSWORD, "?client=cli").await.expect(StatusCode::OK);
    let body = json!({"refresh_token": session["refresh_token"]});
    client.post("/api/v1/auth/logout", &body).await.expect(StatusCode::NO_CONTENT);
    client.post("/api/v1/auth/refresh", &body).await.refused(401, "unauthenticated");
}

async fn disabled_user_is_out_at_once(server: Server) {
    let admin = server.admin().await;
    let member = server.user(&admin, "member").await;
    let me = member.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    admin.patch(&at("/api/v1/users", &me), &json!({"status": "disabled"})).await.expect(StatusCode::OK);
    member.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    log_in(&member, "member@example.com", PASSWORD, "").await.refused(401, "unauthenticated");
    admin.patch(&at("/api/v1/users", &me), &json!({"status": "active"})).await.expect(StatusCode::OK);
    member.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    log_in(&member, "member@example.com", PASSWORD, "").await.expect(StatusCode::OK);
}

async fn new_password_ends_sessions(server: Server) {
    let admin = server.admin().await;
    let member = server.user(&admin, "member").await;
    let me = member.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    admin.patch(&at("/api/v1/users", &me), &json!({"password": "another password"})).await.expect(StatusCode::OK);
    member.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
    log_in(&member, "member@example.com", PASSWORD, "").await.refused(401, "unauthenticated");
    log_in(&member, "member@example.com", "another password", "").await.expect(StatusCode::OK);
}

async fn registration_is_closed(server: Server) {
    server.admin().await;
    let body = json!({"email": "new@example.com", "password": PASSWORD});
    server.anonymous().post("/api/v1/auth/register", &body).await.refused(403, "registration-closed");
}

#[tokio::test]
async fn open_registration_makes_a_member() {
    let server = Server::start_with(Database::sqlite(), |options| options.registration_open = true).await;
    server.admin().await;
    let client = server.anonymous();
    let body = json!({"email": "new@example.com", "password": PASSWORD});
    let session = client.post("/api/v1/auth/register", &body).await.expect(StatusCode::CREATED);
    assert_eq!(session["user"]["role"], "member");
    assert_eq!(client.post("/api/v1/auth/register", &body).await.refused(409, "taken"), ["email"]);
}

#[tokio::test]
async fn cookies_are_secure_behind_tls() {
    let server = Server::start_with(Database::sqlite(), |options| options.secure_cookies = true).await;
    server.admin().await;
    let answer = log_in(&server.anonymous(), "admin@example.com", PASSWORD, "").await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
}
