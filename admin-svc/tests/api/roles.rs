//! Who may do what.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    database::on_both,
    server::{Server, send},
};

on_both!(
    crate::server::Server::start;
    each_role_may_do_what_it_should, strangers_may_do_nothing);

const READS: [(&str, &[&str]); 8] = [
    ("/api/v1/prices", &["operator", "member", "auditor"]),
    ("/api/v1/providers", &["operator", "member", "auditor"]),
    ("/api/v1/key-pools", &["operator", "member", "auditor"]),
    ("/api/v1/upstream-keys", &["operator", "member", "auditor"]),
    ("/api/v1/services", &["operator", "member", "auditor"]),
    ("/api/v1/access-keys", &["operator", "member", "auditor"]),
    ("/api/v1/users", &["auditor"]),
    ("/api/v1/audit-events", &["operator", "auditor"]),
];

/// An empty body is refused as invalid (422) where the role may write, and as forbidden (403) where it may not.
const WRITES: [(&str, &[&str]); 7] = [
    ("/api/v1/prices", &["operator"]),
    ("/api/v1/providers", &["operator"]),
    ("/api/v1/key-pools", &["operator"]),
    ("/api/v1/upstream-keys", &["operator"]),
    ("/api/v1/services", &["operator"]),
    ("/api/v1/access-keys", &["operator", "member"]),
    ("/api/v1/users", &[]),
];

async fn each_role_may_do_what_it_should(server: Server) {
    let admin = server.admin().await;
    for role in ["operator", "member", "auditor"] {
        let client = server.user(&admin, role).await;
        for (path, allowed) in READS {
            let expected = if allowed.contains(&role) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(client.get(path).await.status, expected, "{role} reads {path}");
            assert_eq!(admin.get(path).await.status, StatusCode::OK, "admin reads {path}");
        }
        for (path, allowed) in WRITES {
            let expected = if allowed.contains(&role) { 422 } else { 403 };
            assert_eq!(client.post(path, &json!({})).await.status.as_u16(), expected, "{role} writes {path}");
            let item = format!("{path}/0190a5b8-0000-7000-8000-000000000000");
            let expected = if allowed.contains(&role) { 404 } else { 403 };
            assert_eq!(client.patch(&item, &json!({})).await.status.as_u16(), expected, "{role} changes {path}");
            assert_eq!(client.delete(&item).await.status.as_u16(), expected, "{role} deletes {path}");
        }
    }
}

async fn strangers_may_do_nothing(server: Server) {
    let client = server.anonymous();
    for (path, _) in READS {
        client.get(path).await.refused(401, "unauthenticated");
    }
    for (path, _) in WRITES {
        client.post(path, &json!({})).await.refused(401, "unauthenticated");
        // Whether something exists is not told either.
        client.delete(&format!("{path}/0190a5b8-0000-7000-8000-000000000000")).await.refused(401, "unauthenticated");
        let garbage = client.request(Method::POST, path).header("content-type", "text/plain").body("{");
        send(garbage).await.refused(401, "unauthenticated");
    }
}
