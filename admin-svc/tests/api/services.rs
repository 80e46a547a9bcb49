//! Services.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    database::on_both,
    server::{Server, at},
};

const SERVICES: &str = "/api/v1/services";
/// Every condition under which another target may take over.
const FALLBACK: [&str; 7] = [
    "rate_limited",
    "overloaded",
    "server_error",
    "timeout",
    "credentials_refused",
    "context_window",
    "content_policy",
];

on_both!(
    crate::server::Server::start;
    service_is_made_and_changed,
    fallback_and_default_limit_are_kept_until_they_are_changed,
    affinity_is_off_until_it_is_wanted,
    quota_groups_are_kept_until_they_are_changed,
    route_mixes_providers_of_different_kinds,
    bad_services_are_refused,
    used_service_is_not_deleted,
);

async fn service_is_made_and_changed(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let body = json!({
        "name": "Chat", "slug": "chat", "strategy": "weighted",
        "routes": [{"models": ["gpt-*", "o3"], "targets": [
            {"pool_id": pool["id"], "weight": 3}, {"pool_id": pool["id"], "model": "gpt-4o", "priority": 1}]}],
        "retry": {"max_attempts": 2},
        "timeouts": {"total_ms": 900_000},
        "limits": {"rpm": 100, "tpm": 50_000, "rpd": 1000, "concurrency": 8},
        "limits_mode": "shadow",
        "budget": {"amount": "12.5", "currency": "USD", "period": "month", "hard": false},
        "security": {"ip_allow": ["10.1.2.3/8", "2001:db8::1"], "ip_deny": [], "require_signature": false},
        "hidden_headers": ["X-Tollgate-Cost"],
        "response_cache": {"ttl_seconds": 300}
    });
    let service = admin.create(SERVICES, &body).await;
    assert_eq!(service["budget"], json!({"amount": "12.50", "currency": "USD", "period": "month", "hard": false}));
    assert_eq!(service["security"]["ip_allow"], json!(["10.0.0.0/8", "2001:db8::1/128"]));
    assert_eq!(service["hidden_headers"], json!(["x-tollgate-cost"]));
    assert_eq!(service["response_cache"], json!({"ttl_seconds": 300, "scope": "access_key"}));
    assert_eq!(service["routes"][0]["targets"][1]["model"], "gpt-4o");
    assert_eq!(service["limits_mode"], "shadow");
    let path = at(SERVICES, &service);
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), service);
    let patch = json!({"budget": null, "limits": {"rpm": null, "tpm": 1}, "status": "disabled"});
    let changed = admin.patch(&path, &patch).await.expect(StatusCode::OK);
    assert!(changed.get("budget").is_none());
    assert_eq!(changed["limits"], json!({"tpm": 1, "rpd": 1000, "concurrency": 8}));
    assert_eq!((&changed["status"], &changed["limits_mode"]), (&json!("disabled"), &json!("shadow")));
    assert_eq!(changed["routes"], service["routes"]);
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), changed);
}

async fn fallback_and_default_limit_are_kept_until_they_are_changed(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let routes = json!([
        {"models": ["a"], "targets": [{"pool_id": pool["id"], "default_max_tokens": 8192}], "fallback_on": FALLBACK},
        {"models": ["b"], "targets": [{"pool_id": pool["id"]}], "fallback_on": []},
        {"models": ["c"], "targets": [{"pool_id": pool["id"]}]},
    ]);
    let service = admin.create(SERVICES, &json!({"name": "s", "slug": "s", "routes": routes})).await;
    assert_eq!(service["routes"][0]["fallback_on"], json!(FALLBACK));
    assert_eq!(service["routes"][0]["targets"][0]["default_max_tokens"], 8192);
    assert_eq!(service["routes"][1]["fallback_on"], json!([]));
    assert!(service["routes"][2].get("fallback_on").is_none());
    assert!(service["routes"][2]["targets"][0].get("default_max_tokens").is_none());
    let path = at(SERVICES, &service);
    let renamed = admin.patch(&path, &json!({"name": "renamed"})).await.expect(StatusCode::OK);
    assert_eq!(renamed["routes"], service["routes"]);
    let target = json!({"pool_id": pool["id"], "default_max_tokens": null});
    let patch = json!({"routes": [{"models": ["a"], "targets": [target], "fallback_on": ["timeout"]}]});
    let changed = admin.patch(&path, &patch).await.expect(StatusCode::OK);
    assert_eq!(changed["routes"][0]["fallback_on"], json!(["timeout"]));
    assert!(changed["routes"][0]["targets"][0].get("default_max_tokens").is_none());
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), changed);
}

async fn affinity_is_off_until_it_is_wanted(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let routes = json!([{"models": ["a"], "targets": [{"pool_id": pool["id"]}]}]);
    let service = admin.create(SERVICES, &json!({"name": "s", "slug": "s", "routes": routes})).await;
    assert!(service.get("affinity").is_none());
    let path = at(SERVICES, &service);
    let patch = json!({"affinity": {"by": ["prompt_cache_key", "header"]}});
    let changed = admin.patch(&path, &patch).await.expect(StatusCode::OK);
    assert_eq!(changed["affinity"], json!({"by": ["prompt_cache_key", "header"], "header": "x-session-id"}));
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), changed);
    let off = admin.patch(&path, &json!({"affinity": null})).await.expect(StatusCode::OK);
    assert!(off.get("affinity").is_none());
    let refused = admin.patch(&path, &json!({"affinity": {"by": ["cookie"]}})).await;
    assert_eq!(refused.refused(422, "validation"), ["affinity.by[0]"]);
}

async fn quota_groups_are_kept_until_they_are_changed(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let keys = "/api/v1/upstream-keys";
    let key = json!({"pool_id": pool["id"], "name": "k", "secret": "sk-1", "quota_group": "account 1"});
    let key = admin.create(keys, &key).await;
    assert_eq!(key["quota_group"], "account 1");
    let path = at(keys, &key);
    let renamed = admin.patch(&path, &json!({"name": "renamed"})).await.expect(StatusCode::OK);
    assert_eq!(renamed["quota_group"], "account 1");
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), renamed);
    let alone = admin.patch(&path, &json!({"quota_group": null})).await.expect(StatusCode::OK);
    assert!(alone.get("quota_group").is_none());
    let refused = admin.patch(&path, &json!({"quota_group": " "})).await;
    assert_eq!(refused.refused(422, "validation"), ["quota_group"]);
}

async fn route_mixes_providers_of_different_kinds(server: Server) {
    let admin = server.admin().await;
    let mut targets = Vec::new();
    for (priority, kind, model) in [
        (0, "anthropic", "claude-sonnet-4-5"),
        (1, "openai", "gpt-4.1"),
        (2, "gemini", "gemini-2.5-pro"),
        (3, "openai_compatible", "qwen-max"),
    ] {
        let provider = json!({"name": kind, "kind": kind, "base_url": "https://api.example.com"});
        let provider = admin.create("/api/v1/providers", &provider).await;
        let pool = admin.create("/api/v1/key-pools", &json!({"name": kind, "provider_id": provider["id"]})).await;
        targets.push(json!({"pool_id": pool["id"], "model": model, "weight": 1, "priority": priority}));
    }
    let routes = json!([{"models": ["smart"], "targets": targets}]);
    let service = admin.create(SERVICES, &json!({"name": "s", "slug": "s", "routes": routes})).await;
    assert_eq!(service["routes"], routes);
    assert_eq!(admin.get(&at(SERVICES, &service)).await.expect(StatusCode::OK), service);
}

async fn bad_services_are_refused(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let target = json!({"pool_id": pool["id"]});
    let unknown = json!({"pool_id": "0190a5b8-0000-7000-8000-000000000000"});
    let good = json!({"name": "s", "slug": "s", "routes": [{"models": ["*"], "targets": [target]}]});
    for (field, overlay) in [
        ("routes[0].targets[1].pool_id", json!({"routes": [{"models": ["*"], "targets": [target, unknown]}]})),
        ("routes[0].targets[0].pool_id", json!({"routes": [{"models": ["*"], "targets": [{"pool_id": "x"}]}]})),
        (
            "routes[0].targets[0].colour",
            json!({"routes": [{"models": ["*"], "targets": [{"pool_id": pool["id"], "colour": 1}]}]}),
        ),
        ("routes[0].targets", json!({"routes": [{"models": ["*"], "targets": []}]})),
        ("routes[0].models", json!({"routes": [{"models": [], "targets": [target]}]})),
        (
            "routes[0].targets",
            json!({"routes": [{"models": ["*"], "targets": [{"pool_id": pool["id"], "weight": 0}]}]}),
        ),
        (
            "routes[0].targets[0].default_max_tokens",
            json!({"routes": [{"models": ["*"], "targets": [{"pool_id": pool["id"], "default_max_tokens": 0}]}]}),
        ),
        (
            "routes[0].targets[0].default_max_tokens",
            json!({"routes": [{"models": ["*"], "targets": [{"pool_id": pool["id"], "default_max_tokens": 1_u64 << 32}]}]}),
        ),
        (
            "routes[0].fallback_on[1]",
            json!({"routes": [{"models": ["*"], "targets": [target], "fallback_on": ["timeout", "timeout"]}]}),
        ),
        (
            "routes[0].fallback_on[1]",
            json!({"routes": [{"models": ["*"], "targets": [target], "fallback_on": ["timeout", "bad_weather"]}]}),
        ),
        (
            "routes[0].fallback_on",
            json!({"routes": [{"models": ["*"], "targets": [target], "fallback_on": "timeout"}]}),
        ),
        ("slug", json!({"slug": "Not A Slug"})),
        ("strategy", json!({"strategy": "random"})),
        ("security.ip_allow[0]", json!({"security": {"ip_allow": ["300.0.0.0/8"]}})),
        ("retry.max_attempts", json!({"retry": {"max_attempts": 0}})),
        ("budget.amount", json!({"budget": {"amount": "-1", "currency": "USD", "period": "day"}})),
        ("budget.amount", json!({"budget": {"amount": 12.5, "currency": "USD", "period": "day"}})),
        ("budget.period", json!({"budget": {"amount": "1", "currency": "USD", "period": "year"}})),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(overlay.as_object().unwrap().clone());
        assert_eq!(admin.post(SERVICES, &body).await.refused(422, "validation"), [field]);
    }
    let service = admin.create(SERVICES, &good).await;
    assert_eq!(admin.post(SERVICES, &good).await.refused(409, "taken"), ["slug"]);
    let patch = json!({"routes": [{"models": ["*"], "targets": [unknown]}]});
    let refused = admin.patch(&at(SERVICES, &service), &patch).await;
    assert_eq!(refused.refused(422, "validation"), ["routes[0].targets[0].pool_id"]);
    assert_eq!(admin.get(&at(SERVICES, &service)).await.expect(StatusCode::OK), service);
}

async fn used_service_is_not_deleted(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let key = admin.create("/api/v1/access-keys", &json!({"service_id": service["id"], "name": "app"})).await;
    let path = at(SERVICES, &service);
    let refused = admin.delete(&path).await;
    refused.refused(409, "in-use");
    assert!(refused.json["detail"].as_str().unwrap().contains("1 access key (app)"));
    admin.delete(&at("/api/v1/access-keys", &key)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get(&at("/api/v1/access-keys", &key)).await.refused(404, "not-found");
}
