//! The audit log.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    database::on_both,
    server::{PASSWORD, Server, at},
};

const EVENTS: &str = "/api/v1/audit-events";

on_both!(
    crate::server::Server::start;
    changes_and_log_ins_are_recorded, altered_log_is_noticed, refused_changes_leave_no_record);

async fn changes_and_log_ins_are_recorded(server: Server) {
    let admin = server.admin().await;
    let provider = admin.provider("p").await;
    let path = at("/api/v1/providers", &provider);
    let answer = admin.patch(&path, &json!({"name": "q"})).await;
    let request_id = answer.header("x-request-id").to_owned();
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    let wrong = json!({"email": "admin@example.com", "password": "wrong password"});
    server.anonymous().post("/api/v1/auth/login", &wrong).await.refused(401, "unauthenticated");
    let page = admin.get(EVENTS).await.expect(StatusCode::OK);
    let events = page["items"].as_array().unwrap();
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    let expected =
        ["auth.login_failed", "provider.delete", "provider.update", "provider.create", "auth.login", "user.create"];
    assert_eq!(actions, expected);
    let update = &events[2];
    assert_eq!((&update["before"]["name"], &update["after"]["name"]), (&json!("p"), &json!("q")));
    assert_eq!(update["actor"], "admin@example.com");
    assert_eq!(update["address"], "127.0.0.1");
    assert_eq!(update["request_id"], request_id);
    assert_eq!(update["target_id"], provider["id"]);
    let page = admin.get(&format!("{EVENTS}?limit=2")).await.expect(StatusCode::OK);
    let next = admin.get(&format!("{EVENTS}?limit=2&after={}", page["next"].as_str().unwrap())).await;
    assert_eq!(next.expect(StatusCode::OK)["items"][0], events[2]);
    let filtered = admin.get(&format!("{EVENTS}?action=provider.create")).await.expect(StatusCode::OK);
    assert_eq!(filtered["items"], json!([events[3]]));
    assert_eq!(admin.get(&format!("{EVENTS}?after=x")).await.refused(400, "query"), ["after"]);
    let verified = admin.get(&format!("{EVENTS}/verification")).await.expect(StatusCode::OK);
    assert_eq!(verified, json!({"verified": 6, "broken_at": null}));
}

async fn altered_log_is_noticed(server: Server) {
    let admin = server.admin().await;
    admin.provider("a").await;
    admin.provider("b").await;
    let run = async |statement: &'static str| {
        let mut tx = server.app.store().begin_append().await.unwrap();
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        admin.get(&format!("{EVENTS}/verification")).await.expect(StatusCode::OK)
    };
    let intact = json!({"verified": 4, "broken_at": null});
    assert_eq!(run("UPDATE audit_events SET actor = actor").await, intact);
    let altered = run("UPDATE audit_events SET address = '192.0.2.1' WHERE sequence = 2").await;
    assert_eq!(altered, json!({"verified": 1, "broken_at": 2}));
    assert_eq!(run("UPDATE audit_events SET address = '127.0.0.1' WHERE sequence = 2").await, intact);
    let removed = run("DELETE FROM audit_events WHERE sequence = 3").await;
    assert_eq!(removed, json!({"verified": 2, "broken_at": 4}));
}

async fn refused_changes_leave_no_record(server: Server) {
    let admin = server.admin().await;
    let count = async || admin.get(EVENTS).await.expect(StatusCode::OK)["items"].as_array().unwrap().len();
    let before = count().await;
    admin.post("/api/v1/providers", &json!({})).await.refused(422, "validation");
    let taken = json!({"email": "admin@example.com", "role": "member", "password": PASSWORD});
    admin.post("/api/v1/users", &taken).await.refused(409, "taken");
    assert_eq!(count().await, before);
}
