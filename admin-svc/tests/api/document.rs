//! The API's OpenAPI document.

use std::path::Path;

use reqwest::StatusCode;

use crate::{database::Database, server::Server};

/// After a change of the API: `UPDATE=1 cargo nextest run -p admin-svc committed_document`.
#[test]
fn committed_document_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api/openapi.json");
    let generated = admin_svc::http::openapi_document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "docs/api/openapi.json is out of date");
}

#[tokio::test]
async fn document_is_served_and_complete() {
    let server = Server::start(Database::sqlite()).await;
    let document = server.anonymous().get("/api/openapi.json").await.expect(StatusCode::OK);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let operations = document["paths"].as_object().unwrap();
    for path in ["/api/v1/setup", "/api/v1/auth/login", "/api/v1/providers/{id}", "/api/v1/access-keys/{id}/rotate"] {
        assert!(operations.contains_key(path), "{path}");
    }
    let patch = &operations["/api/v1/upstream-keys/{id}"]["patch"];
    let schema = patch["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
    assert_eq!(schema, "#/components/schemas/UpstreamKeyPatch");
    assert!(document["components"]["schemas"]["UpstreamKeyPatch"].get("required").is_none());
    references_resolve(&document, &document);
}

#[test]
fn enumerations_list_the_words_that_are_sent() {
    let document: serde_json::Value = serde_json::from_str(&admin_svc::http::openapi_document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas["Strategy"]["enum"], serde_json::json!(["round_robin", "weighted", "health_best"]));
    for (name, schema) in schemas {
        for word in schema["enum"].as_array().into_iter().flatten() {
            let word = word.as_str().unwrap();
            assert!(
                word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.')),
                "{name}: {word}"
            );
        }
    }
}

#[tokio::test]
async fn page_needs_nothing_from_elsewhere() {
    let server = Server::start(Database::sqlite()).await;
    let client = server.anonymous();
    let page = client.get("/api/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    for asset in ["/api/docs/page.js", "/api/docs/page.css"] {
        assert!(page.text.contains(asset));
        assert_eq!(client.get(asset).await.status, StatusCode::OK);
    }
    assert!(!page.text.contains("//"), "no address of another host");
}

fn references_resolve(document: &serde_json::Value, value: &serde_json::Value) {
    if let Some(reference) = value.get("$ref").and_then(|reference| reference.as_str()) {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    match value {
        serde_json::Value::Object(fields) => fields.values().for_each(|field| references_resolve(document, field)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| references_resolve(document, item)),
        _ => (),
    }
}
