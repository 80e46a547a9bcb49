//! What the console learns of proxies.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    database::on_both,
    proxy::{Watch, hello},
};

on_both!(
    crate::control_plane::ControlPlane::start;
    a_proxy_is_shown_while_it_is_connected_and_after,
    members_do_not_see_proxies,
    metrics_count_what_happened,
);

/// Asks until the answer is as expected.
pub(crate) async fn eventually(plane: &ControlPlane, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let answer = match started.elapsed() {
            // A proxy that has just connected is not written yet.
            elapsed if elapsed < Duration::from_millis(500) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                plane.get(path).await
            }
            _ => plane.get(path).await,
        };
        if expected(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{path} stays {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_proxy_is_shown_while_it_is_connected_and_after(plane: ControlPlane) {
    let mine = hello("", 0);
    let path = format!("/api/v1/proxies/{}", mine.proxy_id);
    let mut watch = Watch::open(&plane, mine.clone()).await;
    let whole = watch.whole().await;
    let before = eventually(&plane, &path, |proxy| proxy["connected"] == true).await;
    assert_eq!(before["converged"], false);
    watch.ack(whole.nonce, whole.revision).await;
    let shown = eventually(&plane, &path, |proxy| proxy["converged"] == true).await;
    assert_eq!(shown["hostname"], "proxy-of-the-tests");
    assert_eq!(shown["boot_id"], mine.boot_id.as_str());
    assert_eq!((&shown["revision"], &shown["head_revision"]), (&json!(whole.revision), &json!(whole.revision)));
    assert_eq!(plane.get("/api/v1/proxies").await["items"], json!([shown]));

    // The same proxy comes back before its old stream is noticed: it stays connected when that one ends.
    let again =
        Watch::open(&plane, tollgate_proto::Hello { epoch: whole.epoch, revision: whole.revision, ..mine }).await;
    drop(watch);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(plane.get(&path).await["connected"], true);
    drop(again);
    let gone = eventually(&plane, &path, |proxy| proxy["connected"] == false).await;
    assert_eq!((&gone["converged"], &gone["revision"]), (&json!(false), &json!(whole.revision)));
}

async fn members_do_not_see_proxies(plane: ControlPlane) {
    let member = plane.user("member").await;
    member.get("/api/v1/proxies", StatusCode::FORBIDDEN).await;
    let auditor = plane.user("auditor").await;
    auditor.get("/api/v1/proxies", StatusCode::OK).await;
}

async fn metrics_count_what_happened(plane: ControlPlane) {
    let (_watch, whole) = Watch::in_sync(&plane).await;
    let (status, text) = plane.ops("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for sample in [
        "tollgate_admin_connected_proxies 1".to_owned(),
        "tollgate_admin_snapshots_sent_total 1".to_owned(),
        format!("tollgate_admin_head_revision {}", whole.revision),
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
    }
    assert_eq!(plane.ops("/livez").await.0, StatusCode::OK);
    assert_eq!(plane.ops("/readyz").await.0, StatusCode::OK);
}
