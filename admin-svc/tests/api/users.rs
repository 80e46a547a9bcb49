//! Users.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    database::on_both,
    server::{PASSWORD, Server, at},
};

const USERS: &str = "/api/v1/users";

on_both!(
    crate::server::Server::start;
    user_is_made_changed_and_deleted, last_administrator_stays, user_has_a_budget, user_with_access_keys_is_not_deleted);

async fn user_is_made_changed_and_deleted(server: Server) {
    let admin = server.admin().await;
    let body = json!({"email": "New@Example.com", "role": "operator", "password": PASSWORD});
    let answer = admin.post(USERS, &body).await;
    assert!(!answer.text.contains("argon2") && !answer.text.contains("password"), "{}", answer.text);
    let user = answer.expect(StatusCode::CREATED);
    assert_eq!(user["email"], "new@example.com");
    assert_eq!(admin.post(USERS, &body).await.refused(409, "taken"), ["email"]);
    assert_eq!(user["limits"], json!({}));
    let path = at(USERS, &user);
    let limits = json!({"rpm": 5, "tpm": 600, "concurrency": 2});
    let limited = admin.patch(&path, &json!({"limits": limits})).await.expect(StatusCode::OK);
    assert_eq!(limited["limits"], limits);
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), limited);
    let changed = admin.patch(&path, &json!({"limits": {"rpm": null}})).await.expect(StatusCode::OK);
    assert_eq!(changed["limits"], json!({"tpm": 600, "concurrency": 2}));
    assert_eq!(admin.patch(&path, &json!({"limits": {"rpd": 0}})).await.refused(422, "validation"), ["limits.rpd"]);
    let changed = admin.patch(&path, &json!({"role": "auditor", "name": "审计"})).await.expect(StatusCode::OK);
    assert_eq!((&changed["role"], &changed["name"]), (&json!("auditor"), &json!("审计")));
    for (field, value) in
        [("email", json!("x")), ("role", json!("root")), ("password", json!("short")), ("password", json!(5))]
    {
        assert_eq!(admin.patch(&path, &json!({field: value})).await.refused(422, "validation"), [field]);
    }
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get(&path).await.refused(404, "not-found");
}

async fn user_has_a_budget(server: Server) {
    let admin = server.admin().await;
    let budget = json!({"amount": "12.5", "currency": "USD", "period": "month", "lease": "single"});
    let mut body = json!({"email": "a@example.com", "role": "member", "password": PASSWORD, "budget": budget});
    let user = admin.create(USERS, &body).await;
    let shown = json!({"amount": "12.50", "currency": "USD", "period": "month", "hard": true, "lease": "single"});
    assert_eq!(user["budget"], shown);
    let path = at(USERS, &user);
    let standing = admin.get(&format!("{path}/budget")).await.expect(StatusCode::OK);
    assert_eq!((&standing["spent"], &standing["remaining"]), (&json!("0.00"), &json!("12.50")));
    let changed = admin.patch(&path, &json!({"budget": {"amount": "7", "hard": false}})).await.expect(StatusCode::OK);
    assert_eq!((&changed["budget"]["amount"], &changed["budget"]["hard"]), (&json!("7.00"), &json!(false)));
    for (field, change) in [
        ("budget.amount", json!({"amount": "0"})),
        ("budget.amount", json!({"amount": 7})),
        ("budget.currency", json!({"currency": "usd"})),
        ("budget.currency", json!({"currency": "EUR"})),
        ("budget.period", json!({"period": "year"})),
        ("budget.lease", json!({"lease": "twice"})),
    ] {
        let refused = admin.patch(&path, &json!({"budget": change})).await.refused(422, "validation");
        assert_eq!(refused, [field], "{change}");
    }
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), changed);
    body["budget"]["currency"] = json!("EUR");
    assert_eq!(admin.post(USERS, &body).await.refused(422, "validation"), ["budget.currency"]);
    server.user(&admin, "operator").await.get(&format!("{path}/budget")).await.refused(403, "forbidden");

    let changed = admin.patch(&path, &json!({"budget": null})).await.expect(StatusCode::OK);
    assert!(changed.get("budget").is_none(), "{changed}");
    admin.get(&format!("{path}/budget")).await.refused(404, "not-found");
}

async fn last_administrator_stays(server: Server) {
    let admin = server.admin().await;
    let me = admin.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    let path = at(USERS, &me);
    admin.patch(&path, &json!({"role": "operator"})).await.refused(409, "conflict");
    admin.patch(&path, &json!({"status": "disabled"})).await.refused(409, "conflict");
    admin.delete(&path).await.refused(409, "conflict");
    let second = admin.create(USERS, &json!({"email": "b@example.com", "role": "admin", "password": PASSWORD})).await;
    admin.patch(&at(USERS, &second), &json!({"status": "disabled"})).await.expect(StatusCode::OK);
    admin.delete(&path).await.refused(409, "conflict");
    admin.patch(&at(USERS, &second), &json!({"status": "active"})).await.expect(StatusCode::OK);
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
}

async fn user_with_access_keys_is_not_deleted(server: Server) {
    let admin = server.admin().await;
    let member = server.user(&admin, "member").await;
    let me = member.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    let service = admin.service("chat").await;
    let key = member.create("/api/v1/access-keys", &json!({"service_id": service["id"], "name": "mine"})).await;
    admin.delete(&at(USERS, &me)).await.refused(409, "in-use");
    admin.delete(&at("/api/v1/access-keys", &key)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&at(USERS, &me)).await.expect(StatusCode::NO_CONTENT);
    member.get("/api/v1/auth/me").await.refused(401, "unauthenticated");
}
