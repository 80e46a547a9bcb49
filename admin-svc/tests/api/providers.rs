//! Providers: the whole life of a resource, paging, conflicts, repetitions.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    database::on_both,
    server::{Server, at, send},
};

const PROVIDERS: &str = "/api/v1/providers";

on_both!(
    crate::server::Server::start;
    provider_is_made_read_changed_and_deleted,
    bad_fields_are_named,
    responses_are_offered_by_openai_unless_it_is_said,
    change_of_a_stale_version_is_refused,
    repeated_create_gets_the_first_answer,
    lists_are_paged,
    used_provider_is_not_deleted,
);

async fn provider_is_made_read_changed_and_deleted(server: Server) {
    let admin = server.admin().await;
    let body =
        json!({"name": "OpenAI", "kind": "openai", "base_url": "https://api.openai.com/", "timeouts": {"idle_ms": 5}});
    let answer = admin.post(PROVIDERS, &body).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let path = answer.header("location").to_owned();
    let made = answer.expect(StatusCode::CREATED);
    assert_eq!(path, at(PROVIDERS, &made));
    assert_eq!(made["base_url"], "https://api.openai.com");
    assert_eq!(made["created_at"], "2026-11-23T00:00:00Z");
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), made);
    server.advance(1);
    let patch = json!({"name": "OpenAI EU", "timeouts": {"connect_ms": 7, "idle_ms": null}});
    let answer = admin.patch(&path, &patch).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.expect(StatusCode::OK);
    assert_eq!(changed["name"], "OpenAI EU");
    assert_eq!(changed["kind"], "openai");
    assert_eq!(changed["timeouts"], json!({"connect_ms": 7}));
    assert_eq!(changed["updated_at"], "2026-11-23T00:00:01Z");
    let unchanged = admin.patch(&path, &json!({"name": "OpenAI EU"})).await.expect(StatusCode::OK);
    assert_eq!(unchanged["version"], 2, "a patch that changes nothing makes no version");
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get(&path).await.refused(404, "not-found");
    admin.delete(&path).await.refused(404, "not-found");
    admin.patch(&path, &json!({"name": "x"})).await.refused(404, "not-found");
}

async fn bad_fields_are_named(server: Server) {
    let admin = server.admin().await;
    let good = json!({"name": "p", "kind": "openai", "base_url": "https://api.openai.com"});
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("nul\0")),
        ("name", Value::Null),
        ("kind", json!("azure")),
        ("base_url", json!("http://10.0.0.1")),
        ("base_url", json!("https://user@api.openai.com")),
        ("timeouts.idle_ms", json!({"idle_ms": 0})),
        ("timeouts.idle_ms", json!({"idle_ms": "long"})),
        ("timeouts.idle_s", json!({"idle_s": 1})),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field.split('.').next().unwrap()] = value;
        assert_eq!(admin.post(PROVIDERS, &body).await.refused(422, "validation"), [field]);
    }
    let provider = admin.create(PROVIDERS, &good).await;
    assert_eq!(admin.post(PROVIDERS, &good).await.refused(409, "taken"), ["name"]);
    let path = at(PROVIDERS, &provider);
    assert_eq!(admin.patch(&path, &json!({"name": null})).await.refused(422, "validation"), ["name"]);
    assert_eq!(admin.patch(&path, &json!({"id": "x"})).await.refused(422, "validation"), ["id"]);
    let other = admin.provider("other").await;
    let taken = admin.patch(&at(PROVIDERS, &other), &json!({"name": "p"})).await;
    assert_eq!(taken.refused(409, "taken"), ["name"]);
}

async fn responses_are_offered_by_openai_unless_it_is_said(server: Server) {
    let admin = server.admin().await;
    let create = async |kind: &str, said: Value| {
        let mut body = json!({"name": format!("{kind} {said}"), "kind": kind, "base_url": "https://p.example"});
        if !said.is_null() {
            body["responses_api"] = said;
        }
        admin.post(PROVIDERS, &body).await
    };
    for (kind, said, expected) in [
        ("openai", Value::Null, true),
        ("openai", json!(false), false),
        ("openai_compatible", Value::Null, false),
        ("openai_compatible", json!(true), true),
        ("anthropic", Value::Null, false),
        ("gemini", json!(false), false),
    ] {
        let made = create(kind, said).await.expect(StatusCode::CREATED);
        assert_eq!(made["responses_api"], expected, "{kind}");
        assert_eq!(admin.get(&at(PROVIDERS, &made)).await.expect(StatusCode::OK), made);
    }
    for kind in ["anthropic", "gemini"] {
        assert_eq!(create(kind, json!(true)).await.refused(422, "validation"), ["responses_api"]);
    }
    assert_eq!(create("openai", json!("yes")).await.refused(422, "validation"), ["responses_api"]);

    let body = json!({"name": "changing", "kind": "openai_compatible", "base_url": "https://p.example"});
    let path = at(PROVIDERS, &admin.create(PROVIDERS, &body).await);
    let patched = async |patch: Value| admin.patch(&path, &patch).await;
    let value = async |patch: Value| patched(patch).await.expect(StatusCode::OK)["responses_api"].clone();
    assert_eq!(value(json!({"responses_api": true})).await, true);
    assert_eq!(value(json!({"name": "renamed"})).await, true, "what is not said stays");
    assert_eq!(value(json!({"responses_api": null})).await, false, "cleared is the kind's default");
    assert_eq!(value(json!({"kind": "openai"})).await, true, "another kind has another default");
    assert_eq!(value(json!({"kind": "openai", "responses_api": false})).await, false);
    assert_eq!(value(json!({"kind": "openai"})).await, false, "the same kind changes nothing");
    assert_eq!(value(json!({"kind": "gemini"})).await, false);
    assert_eq!(patched(json!({"responses_api": true})).await.refused(422, "validation"), ["responses_api"]);
}

async fn change_of_a_stale_version_is_refused(server: Server) {
    let admin = server.admin().await;
    let path = at(PROVIDERS, &admin.provider("p").await);
    let conditional = |method, tag: &str| admin.request(method, &path).header("if-match", tag);
    let rename = |name: &str| conditional(Method::PATCH, "\"1\"").json(&json!({"name": name}));
    send(rename("first")).await.expect(StatusCode::OK);
    send(rename("second")).await.refused(412, "stale");
    send(conditional(Method::DELETE, "\"1\"")).await.refused(412, "stale");
    send(conditional(Method::DELETE, "nonsense")).await.refused(412, "stale");
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK)["name"], "first");
    send(conditional(Method::DELETE, "\"2\"")).await.expect(StatusCode::NO_CONTENT);
}

async fn repeated_create_gets_the_first_answer(server: Server) {
    let admin = server.admin().await;
    let body = json!({"name": "p", "kind": "openai", "base_url": "https://api.openai.com"});
    let create = |body: &Value| admin.request(Method::POST, PROVIDERS).header("idempotency-key", "one").json(body);
    let answers = futures::future::join_all((0..4).map(|_| send(create(&body)))).await;
    let first = answers[0].json.clone();
    assert!(first["id"].is_string());
    for answer in answers {
        assert_eq!(answer.header("location"), at(PROVIDERS, &first));
        assert_eq!(answer.expect(StatusCode::CREATED), first);
    }
    let mut other = body.clone();
    other["name"] = json!("q");
    send(create(&other)).await.refused(422, "idempotency-key-reused");
    let list = admin.get(PROVIDERS).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let operator = server.user(&admin, "operator").await;
    let of_another = operator.request(Method::POST, PROVIDERS).header("idempotency-key", "one").json(&body);
    assert_eq!(send(of_another).await.refused(409, "taken"), ["name"], "keys of different callers are different");
    server.advance(25 * 60 * 60);
}

async fn lists_are_paged(server: Server) {
    let admin = server.admin().await;
    let mut made = Vec::new();
    for index in 0..5 {
        made.push(admin.provider(&format!("p{index}")).await["id"].clone());
    }
    let mut seen = Vec::new();
    let mut path = format!("{PROVIDERS}?limit=2");
    for expected in [2, 2, 1] {
        let page = admin.get(&path).await.expect(StatusCode::OK);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), expected);
        seen.extend(items.iter().map(|item| item["id"].clone()));
        path = format!("{PROVIDERS}?limit=2&after={}", page["next"].as_str().unwrap_or("none"));
        assert_eq!(page["next"].is_null(), expected == 1);
    }
    assert_eq!(seen, made);
    for (query, field) in [("limit=0", "limit"), ("limit=201", "limit"), ("after=x", "after"), ("color=1", "color")] {
        let refused = admin.get(&format!("{PROVIDERS}?{query}")).await;
        assert_eq!(refused.refused(400, "query"), [field]);
    }
}

async fn used_provider_is_not_deleted(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("production").await;
    let path = format!("{PROVIDERS}/{}", pool["provider_id"].as_str().unwrap());
    let refused = admin.delete(&path).await;
    refused.refused(409, "in-use");
    assert!(refused.json["detail"].as_str().unwrap().contains("1 key pool (production)"), "{}", refused.text);
    admin.delete(&at("/api/v1/key-pools", &pool)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
}
