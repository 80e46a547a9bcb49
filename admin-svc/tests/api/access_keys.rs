//! Access keys.

use admin_svc::store::access_keys;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_shared::access_key;

use crate::{
    database::on_both,
    server::{PASSWORD, Server, at, send},
};

const KEYS: &str = "/api/v1/access-keys";

on_both!(
    crate::server::Server::start;
    secret_is_shown_once,
    rotation_replaces_the_secret_and_may_overlap,
    revoked_key_stays_revoked,
    bad_access_keys_are_refused,
    repeated_create_gets_the_same_secret,
    members_have_only_their_own,
    tokens_stand_for_a_key_that_is_in_force,
    key_of_a_disabled_user_gets_no_token,
    token_key_changes_without_a_gap,
);

async fn stored(server: &Server, key: &Value) -> admin_svc::domain::access_key::AccessKey {
    let mut reader = server.app.store().reader().await.unwrap();
    access_keys::by_id(&mut reader, key["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap()
}

async fn mac_of(server: &Server, secret: &Value) -> access_key::AccessKeyMac {
    let pepper = server.app.access_key_pepper().await.unwrap();
    access_key::Pepper::new(&pepper).mac(secret.as_str().unwrap())
}

async fn secret_is_shown_once(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let body = json!({
        "service_id": service["id"], "name": "app", "expires_at": "2026-12-01T00:00:00Z", "limits": {"rpm": 10},
        "budget": {"amount": "1", "currency": "USD", "period": "day"}, "models": ["gpt-4*"], "ip_allow": ["192.0.2.1"]
    });
    let key = admin.create(KEYS, &body).await;
    let secret = key["secret"].as_str().unwrap();
    assert!(access_key::is_well_formed(secret));
    assert!(secret.starts_with(key["prefix"].as_str().unwrap()));
    assert_eq!(key["ip_allow"], json!(["192.0.2.1/32"]));
    assert_eq!(stored(&server, &key).await.mac, mac_of(&server, &key["secret"]).await);
    let me = admin.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    assert_eq!(key["user_id"], me["id"], "the owner is the caller unless it says otherwise");
    let path = at(KEYS, &key);
    for answer in [admin.get(&path).await, admin.get(KEYS).await, admin.get("/api/v1/audit-events").await] {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.text.contains(&secret[12..]) && !answer.text.contains("mac"), "{}", answer.text);
    }
    let patch = json!({"expires_at": null, "models": null, "limits": {"tpm": 5}});
    let changed = admin.patch(&path, &patch).await.expect(StatusCode::OK);
    assert!(changed.get("expires_at").is_none());
    assert_eq!((&changed["models"], &changed["limits"]), (&json!([]), &json!({"rpm": 10, "tpm": 5})));
}

async fn rotation_replaces_the_secret_and_may_overlap(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let first = admin.create(KEYS, &json!({"service_id": service["id"], "name": "app"})).await;
    let rotate = format!("{}/rotate", at(KEYS, &first));
    let second = admin.post(&rotate, &json!({"overlap_seconds": 60})).await.expect(StatusCode::OK);
    assert_ne!(first["secret"], second["secret"]);
    let key = stored(&server, &first).await;
    assert_eq!(key.mac, mac_of(&server, &second["secret"]).await);
    let previous = key.previous.unwrap();
    assert_eq!(previous.mac, mac_of(&server, &first["secret"]).await);
    assert_eq!(previous.until.to_string(), "2026-11-23T00:01:00Z");
    let third = send(admin.request(Method::POST, &rotate)).await.expect(StatusCode::OK);
    assert_ne!(second["secret"], third["secret"]);
    assert_eq!(stored(&server, &first).await.previous, None, "without an overlap the old secret ends at once");
    let refused = admin.post(&rotate, &json!({"overlap_seconds": 2_592_001})).await;
    assert_eq!(refused.refused(422, "validation"), ["overlap_seconds"]);
}

async fn revoked_key_stays_revoked(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let key = admin.create(KEYS, &json!({"service_id": service["id"], "name": "app"})).await;
    let path = at(KEYS, &key);
    let changes = server.app.store().changes();
    let before = *changes.borrow();
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(*changes.borrow(), before + 1, "the publisher is told");
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK)["status"], "revoked");
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(*changes.borrow(), before + 1, "revoking twice changes nothing");
    admin.patch(&path, &json!({"name": "x"})).await.refused(409, "conflict");
    admin.post(&format!("{path}/rotate"), &json!({})).await.refused(409, "conflict");
    let active = admin.get(&format!("{KEYS}?status=active")).await.expect(StatusCode::OK);
    assert_eq!(active["items"], json!([]));
}

async fn bad_access_keys_are_refused(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let nobody = "0190a5b8-0000-7000-8000-000000000000";
    for (field, value) in [
        ("service_id", json!(nobody)),
        ("user_id", json!(nobody)),
        ("name", json!("")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("limits.rpm", json!({"rpm": 0})),
        ("ip_allow[0]", json!(["everywhere"])),
        ("models[0]", json!([""])),
        ("secret", json!("tg_mine")),
    ] {
        let mut body = json!({"service_id": service["id"], "name": "app"});
        body[field.split(['.', '[']).next().unwrap()] = value;
        assert_eq!(admin.post(KEYS, &body).await.refused(422, "validation"), [field]);
    }
    let key = admin.create(KEYS, &json!({"service_id": service["id"], "name": "app"})).await;
    let moved = admin.patch(&at(KEYS, &key), &json!({"service_id": service["id"]})).await;
    assert_eq!(moved.refused(422, "validation"), ["service_id"]);
}

async fn repeated_create_gets_the_same_secret(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let body = json!({"service_id": service["id"], "name": "app"});
    let create = || admin.request(Method::POST, KEYS).header("idempotency-key", "k").json(&body);
    let first = send(create()).await.expect(StatusCode::CREATED);
    let again = send(create()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(StatusCode::CREATED), first);
    server.advance(25 * 60 * 60);
    let admin = server.sign_in("admin@example.com").await;
    let other = admin.request(Method::POST, KEYS).header("idempotency-key", "other").json(&body);
    send(other).await.expect(StatusCode::CREATED);
    let later = admin.request(Method::POST, KEYS).header("idempotency-key", "k").json(&body);
    assert_ne!(send(later).await.expect(StatusCode::CREATED)["id"], first["id"], "a day later the answer is forgotten");
}

async fn members_have_only_their_own(server: Server) {
    let admin = server.admin().await;
    let member = server.user(&admin, "member").await;
    let service = admin.service("chat").await;
    let of_admin = admin.create(KEYS, &json!({"service_id": service["id"], "name": "admin's"})).await;
    let me = member.get("/api/v1/auth/me").await.expect(StatusCode::OK);
    let own = member.create(KEYS, &json!({"service_id": service["id"], "name": "mine"})).await;
    assert_eq!(own["user_id"], me["id"]);
    let for_another = json!({"service_id": service["id"], "name": "x", "user_id": of_admin["user_id"]});
    member.post(KEYS, &for_another).await.refused(403, "forbidden");
    let list = member.get(KEYS).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let others = format!("{KEYS}?user_id={}", of_admin["user_id"].as_str().unwrap());
    assert_eq!(member.get(&others).await.expect(StatusCode::OK)["items"], json!([]));
    let path = at(KEYS, &of_admin);
    member.get(&path).await.refused(404, "not-found");
    member.patch(&path, &json!({"name": "x"})).await.refused(404, "not-found");
    member.delete(&path).await.refused(404, "not-found");
    member.post(&format!("{path}/rotate"), &json!({})).await.refused(404, "not-found");
    member.delete(&at(KEYS, &own)).await.expect(StatusCode::NO_CONTENT);
    let for_member = json!({"service_id": service["id"], "name": "given", "user_id": me["id"]});
    assert_eq!(admin.create(KEYS, &for_member).await["user_id"], me["id"]);
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn signed_by(token: &Value) -> String {
    jsonwebtoken::decode_header(token.as_str().unwrap()).unwrap().kid.unwrap()
}

async fn key_of_a_disabled_user_gets_no_token(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let user = json!({"email": "out@example.com", "role": "member", "password": PASSWORD});
    let user = admin.create("/api/v1/users", &user).await;
    let key = json!({"service_id": service["id"], "user_id": user["id"], "name": "app"});
    let tokens = format!("{}/tokens", at(KEYS, &admin.create(KEYS, &key).await));
    let path = at("/api/v1/users", &user);
    for (status, expected) in [("disabled", StatusCode::CONFLICT), ("active", StatusCode::CREATED)] {
        admin.patch(&path, &json!({"status": status})).await.expect(StatusCode::OK);
        admin.post(&tokens, &json!({})).await.expect(expected);
    }
}

async fn tokens_stand_for_a_key_that_is_in_force(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let body = json!({"service_id": service["id"], "name": "app", "expires_at": "2026-11-23T00:30:00Z"});
    let key = admin.create(KEYS, &body).await;
    let tokens = format!("{}/tokens", at(KEYS, &key));
    let made = admin.post(&tokens, &json!({"models": ["gpt-*"]})).await.expect(StatusCode::CREATED);
    assert_eq!(made["expires_at"], "2026-11-23T00:10:00Z", "ten minutes unless it says otherwise");
    let said = claims(&made["token"]);
    let expected = json!({"iss": "tollgate-admin", "aud": "tollgate-proxy", "sub": key["id"], "models": ["gpt-*"]});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["nbf"].as_i64().unwrap(), 600);
    // What the key shows that may call every model.
    let made = admin.post(&tokens, &json!({"models": key["models"]})).await.expect(StatusCode::CREATED);
    assert_eq!((&key["models"], claims(&made["token"]).get("models")), (&json!([]), None), "no list allows nothing");
    let longest = admin.post(&tokens, &json!({"expires_in_seconds": 3600})).await.expect(StatusCode::CREATED);
    assert_eq!(longest["expires_at"], "2026-11-23T00:30:00Z", "not longer than the key");
    for (body, field) in [
        (json!({"expires_in_seconds": 0}), "expires_in_seconds"),
        (json!({"expires_in_seconds": 3601}), "expires_in_seconds"),
        (json!({"models": [""]}), "models[0]"),
        (json!({"forever": true}), "forever"),
    ] {
        assert_eq!(admin.post(&tokens, &body).await.refused(422, "validation"), [field]);
    }
    let repeat = || admin.request(Method::POST, &tokens).header("idempotency-key", "t").json(&json!({}));
    let first = send(repeat()).await.expect(StatusCode::CREATED);
    assert_eq!(send(repeat()).await.expect(StatusCode::CREATED), first);

    let audit = admin.get("/api/v1/audit-events").await;
    assert!(audit.text.contains("access_key.create_token") && audit.text.contains(said["jti"].as_str().unwrap()));
    assert!(!audit.text.contains("eyJ"), "the audit log has a token: {}", audit.text);

    let member = server.user(&admin, "member").await;
    member.post(&tokens, &json!({})).await.refused(404, "not-found");
    let own = member.create(KEYS, &json!({"service_id": service["id"], "name": "mine"})).await;
    let own_tokens = format!("{}/tokens", at(KEYS, &own));
    member.post(&own_tokens, &json!({})).await.expect(StatusCode::CREATED);
    admin.delete(&at(KEYS, &own)).await.expect(StatusCode::NO_CONTENT);
    member.post(&own_tokens, &json!({})).await.refused(409, "conflict");
    server.advance(31 * 60);
    let admin = server.sign_in("admin@example.com").await;
    admin.post(&tokens, &json!({})).await.refused(409, "conflict");
}

async fn token_key_changes_without_a_gap(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let key = admin.create(KEYS, &json!({"service_id": service["id"], "name": "app"})).await;
    let tokens = format!("{}/tokens", at(KEYS, &key));
    let signer = async || signed_by(&admin.post(&tokens, &json!({})).await.expect(StatusCode::CREATED)["token"]);
    let first = signer().await;
    let second = server.app.rotate_token_key().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(signer().await, first, "proxies may not know the new one yet");
    server.advance(60);
    assert_eq!(signer().await, second);
    let third = server.app.rotate_token_key().await.unwrap();
    assert_eq!(signer().await, second);
    server.advance(60);
    assert_eq!(signer().await, third);
}
