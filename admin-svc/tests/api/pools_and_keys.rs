//! Key pools and upstream keys.

use admin_svc::store::upstream_keys;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    database::on_both,
    server::{Server, at, send},
};

const POOLS: &str = "/api/v1/key-pools";
const KEYS: &str = "/api/v1/upstream-keys";
const SECRET: &str = "sk-proj-canary0123456789";

on_both!(
    crate::server::Server::start;
    pool_belongs_to_a_provider,
    secret_goes_in_and_does_not_come_out,
    same_secret_is_noticed_within_a_pool,
    bad_keys_are_refused,
    keys_are_imported_line_by_line,
    used_pool_is_not_deleted,
);

async fn pool_belongs_to_a_provider(server: Server) {
    let admin = server.admin().await;
    let unknown = json!({"name": "pool", "provider_id": "0190a5b8-0000-7000-8000-000000000000"});
    assert_eq!(admin.post(POOLS, &unknown).await.refused(422, "validation"), ["provider_id"]);
    let nonsense = json!({"name": "pool", "provider_id": "openai"});
    assert_eq!(admin.post(POOLS, &nonsense).await.refused(422, "validation"), ["provider_id"]);
    let (first, second) = (admin.pool("first").await, admin.pool("second").await);
    let filter = format!("{POOLS}?provider_id={}", second["provider_id"].as_str().unwrap());
    let list = admin.get(&filter).await.expect(StatusCode::OK);
    assert_eq!(list["items"], json!([second]));
    let renamed = admin.patch(&at(POOLS, &first), &json!({"name": "renamed"})).await.expect(StatusCode::OK);
    assert_eq!(renamed["name"], "renamed");
    assert_eq!(admin.patch(&at(POOLS, &first), &unknown).await.refused(422, "validation"), ["provider_id"]);
}

async fn secret_goes_in_and_does_not_come_out(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let body = json!({"pool_id": pool["id"], "name": "key", "secret": format!(" {SECRET}\n"), "limits": {"rpm": 60}});
    let key = admin.create(KEYS, &body).await;
    assert_eq!(key["fingerprint"], "sk-…6789");
    assert_eq!((&key["weight"], &key["priority"], &key["status"]), (&json!(1), &json!(0), &json!("active")));
    let path = at(KEYS, &key);
    for answer in [admin.get(&path).await, admin.get(KEYS).await, admin.get("/api/v1/audit-events").await] {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.text.contains("canary") && !answer.text.contains("sealed"), "{}", answer.text);
    }
    assert_eq!(stored_secret(&server, &key).await, SECRET);
    admin.patch(&path, &json!({"weight": 3})).await.expect(StatusCode::OK);
    assert_eq!(stored_secret(&server, &key).await, SECRET, "a change of something else leaves the secret");
    let changed = admin.patch(&path, &json!({"secret": "sk-proj-other9876543210"})).await.expect(StatusCode::OK);
    assert_eq!(changed["fingerprint"], "sk-…3210");
    assert_eq!(changed["version"], 3);
    assert_eq!(stored_secret(&server, &key).await, "sk-proj-other9876543210");
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get(&path).await.refused(404, "not-found");
}

async fn stored_secret(server: &Server, key: &Value) -> String {
    let mut reader = server.app.store().reader().await.unwrap();
    let id = key["id"].as_str().unwrap().parse().unwrap();
    let key = upstream_keys::by_id(&mut reader, id).await.unwrap().unwrap();
    key.unseal(server.app.keyring()).unwrap().expose().to_owned()
}

async fn same_secret_is_noticed_within_a_pool(server: Server) {
    let admin = server.admin().await;
    let (first, second) = (admin.pool("first").await, admin.pool("second").await);
    let body = |pool: &Value, name: &str, secret: &str| json!({"pool_id": pool["id"], "name": name, "secret": secret});
    admin.create(KEYS, &body(&first, "a", SECRET)).await;
    assert_eq!(admin.post(KEYS, &body(&first, "b", SECRET)).await.refused(409, "taken"), ["secret"]);
    let elsewhere = admin.create(KEYS, &body(&second, "c", SECRET)).await;
    let moved = admin.patch(&at(KEYS, &elsewhere), &json!({"pool_id": first["id"]})).await;
    assert_eq!(moved.refused(409, "taken"), ["secret"]);
    let other = admin.create(KEYS, &body(&first, "d", "sk-other")).await;
    let same = admin.patch(&at(KEYS, &other), &json!({"secret": SECRET})).await;
    assert_eq!(same.refused(409, "taken"), ["secret"]);
}

async fn bad_keys_are_refused(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    for (field, value) in [
        ("secret", json!("")),
        ("secret", json!("two words")),
        ("secret", json!("line\nbreak")),
        ("secret", json!("schlüssel")),
        ("secret", json!(5)),
        ("weight", json!(-1)),
        ("weight", json!(1.5)),
        ("weight", json!("sk-canary")),
        ("weight", json!(10_001)),
        ("limits.rpm", json!({"rpm": 0})),
        ("status", json!("paused")),
        ("pool_id", json!("0190a5b8-0000-7000-8000-000000000000")),
    ] {
        let mut body = json!({"pool_id": pool["id"], "name": "key", "secret": SECRET});
        body[field.split('.').next().unwrap()] = value;
        let answer = admin.post(KEYS, &body).await;
        assert_eq!(answer.refused(422, "validation"), [field]);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}

async fn keys_are_imported_line_by_line(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    admin.create(KEYS, &json!({"pool_id": pool["id"], "name": "old", "secret": "sk-already-there-000"})).await;
    let lines = [
        "sk-line-one-00000001",
        "named, sk-line-two-00000002",
        "",
        "has a blank",
        "sk-line-one-00000001",
        "sk-already-there-000",
    ];
    let mut body = json!({"pool_id": pool["id"], "lines": lines, "weight": 2, "dry_run": true});
    let count = async || admin.get(KEYS).await.expect(StatusCode::OK)["items"].as_array().unwrap().len();
    let preview = admin.post(&format!("{KEYS}/import"), &body).await.expect(StatusCode::OK);
    assert_eq!(count().await, 1, "a dry run changes nothing");
    body["dry_run"] = json!(false);
    let import = || admin.request(Method::POST, &format!("{KEYS}/import")).header("idempotency-key", "i").json(&body);
    let report = send(import()).await.expect(StatusCode::OK);
    for report in [&preview, &report] {
        assert_eq!((&report["created"], &report["duplicates"], &report["invalid"]), (&json!(2), &json!(2), &json!(1)));
        let outcomes: Vec<_> = report["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["line"].clone(), line["outcome"].clone()))
            .collect();
        let expected = [(1, "created"), (2, "created"), (4, "invalid"), (5, "duplicate"), (6, "duplicate")];
        assert_eq!(outcomes, expected.map(|(line, outcome)| (json!(line), json!(outcome))));
    }
    assert_eq!(report["results"][1]["name"], "named");
    assert!(!report.to_string().contains("line-one"), "{report}");
    assert_eq!(count().await, 3);
    assert_eq!(send(import()).await.expect(StatusCode::OK), report, "a repetition gets the same report");
}

async fn used_pool_is_not_deleted(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let pool = &service["routes"][0]["targets"][0]["pool_id"];
    let key = admin.create(KEYS, &json!({"pool_id": pool, "name": "main", "secret": SECRET})).await;
    let path = format!("{POOLS}/{}", pool.as_str().unwrap());
    let refused = admin.delete(&path).await;
    refused.refused(409, "in-use");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.contains("1 upstream key (main)") && detail.contains("1 service (chat)"), "{detail}");
    admin.delete(&at("/api/v1/services", &service)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&at(KEYS, &key)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
}
