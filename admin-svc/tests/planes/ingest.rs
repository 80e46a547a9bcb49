//! `UsageIngest.Report`.

use sqlx::Row;
use tollgate_proto::UsageEvent;
use tonic::Code;
use uuid::Uuid;

use crate::{
    control_plane::ControlPlane,
    database::on_both,
    events::{event, now_us},
    proxy::Report,
};

on_both!(
    crate::control_plane::ControlPlane::start;
    batches_are_acknowledged_in_order_after_their_commit,
    redelivered_events_change_nothing,
    what_cannot_be_counted_is_set_aside_and_blocks_nothing,
    a_gap_in_the_numbers_ends_the_stream,
    streams_at_the_same_time_do_not_disturb_each_other,
);

pub(crate) async fn count(plane: &ControlPlane, statement: &'static str) -> i64 {
    let mut reader = plane.app.store().reader().await.unwrap();
    sqlx::query(statement).fetch_one(&mut *reader).await.unwrap().get(0)
}

const EVENTS: &str = "SELECT COUNT(*) FROM usage_events";
const REQUESTS: &str = "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) FROM usage_rollups WHERE granularity = 60";
const QUARANTINED: &str = "SELECT COUNT(*) FROM usage_quarantine";

fn events(count: usize) -> Vec<UsageEvent> {
    let service = Uuid::now_v7().to_string();
    (0..count).map(|_| event(&service)).collect()
}

async fn batches_are_acknowledged_in_order_after_their_commit(plane: ControlPlane) {
    let mut report = Report::open(plane.grpc_url()).await;
    assert!(report.window >= 2, "the first response says how many batches may wait");
    let mut last = 0;
    for _ in 0..20 {
        report.send(events(50)).await;
        while report.sent - report.acknowledged >= u64::from(report.window) {
            report.acknowledgement().await.unwrap();
            assert!(report.acknowledged > last && report.acknowledged <= report.sent);
            last = report.acknowledged;
            assert!(count(&plane, EVENTS).await >= i64::try_from(last).unwrap() * 50);
        }
    }
    report.settled().await;
    assert_eq!((count(&plane, EVENTS).await, count(&plane, REQUESTS).await), (1_000, 1_000));
    // An empty batch is a batch.
    report.send(Vec::new()).await;
    report.settled().await;
}

async fn redelivered_events_change_nothing(plane: ControlPlane) {
    let first = events(300);
    let mut report = Report::open(plane.grpc_url()).await;
    report.send(first.clone()).await;
    report.settled().await;
    let mut again = Report::open(plane.grpc_url()).await;
    let mut mixed = events(10);
    mixed.extend(first.iter().take(200).cloned());
    mixed.extend(mixed[..5].to_vec());
    again.send(mixed).await;
    again.send(first).await;
    again.settled().await;
    assert_eq!((count(&plane, EVENTS).await, count(&plane, REQUESTS).await), (310, 310));
}

async fn what_cannot_be_counted_is_set_aside_and_blocks_nothing(plane: ControlPlane) {
    let good = events(3);
    let bad = [
        UsageEvent { request_id: "not an id".to_owned(), ..good[0].clone() },
        UsageEvent { request_id: Uuid::now_v7().to_string(), outcome: 99, ..good[0].clone() },
        UsageEvent { request_id: Uuid::now_v7().to_string(), duration_us: u64::MAX, ..good[0].clone() },
        UsageEvent {
            request_id: Uuid::now_v7().to_string(),
            started_at_unix_us: now_us() - 31 * 86_400 * 1_000_000,
            ..good[0].clone()
        },
        UsageEvent { request_id: Uuid::now_v7().to_string(), service_id: "x".to_owned(), ..good[0].clone() },
    ];
    // Odd, but not wrong: these count.
    let odd = [
        UsageEvent { request_id: Uuid::now_v7().to_string(), model_requested: "a\0b".repeat(1_000), ..good[0].clone() },
        UsageEvent {
            request_id: Uuid::now_v7().to_string(),
            service_id: String::new(),
            access_key_id: String::new(),
            user_id: String::new(),
            usage: None,
            ..good[0].clone()
        },
    ];
    let all: Vec<UsageEvent> = good.into_iter().chain(bad).chain(odd).collect();
    let mut report = Report::open(plane.grpc_url()).await;
    report.send(all.clone()).await;
    report.send(all).await;
    report.send(events(1)).await;
    report.settled().await;
    assert_eq!((count(&plane, EVENTS).await, count(&plane, REQUESTS).await), (6, 6));
    assert_eq!(count(&plane, QUARANTINED).await, 5);
}

async fn a_gap_in_the_numbers_ends_the_stream(plane: ControlPlane) {
    let mut report = Report::open(plane.grpc_url()).await;
    report.send(events(1)).await;
    report.settled().await;
    report.send_as(3, events(1)).await;
    assert_eq!(report.acknowledgement().await.unwrap_err().code(), Code::InvalidArgument);
    let mut report = Report::open(plane.grpc_url()).await;
    report.send(events(1_001)).await;
    assert_eq!(report.acknowledgement().await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(count(&plane, EVENTS).await, 1);
}

async fn streams_at_the_same_time_do_not_disturb_each_other(plane: ControlPlane) {
    let shared = events(100);
    let deliver = async || {
        let mut report = Report::open(plane.grpc_url()).await;
        for _ in 0..5 {
            report.send(events(40)).await;
            report.send(shared.clone()).await;
        }
        report.settled().await;
    };
    tokio::join!(deliver(), deliver(), deliver());
    assert_eq!((count(&plane, EVENTS).await, count(&plane, REQUESTS).await), (700, 700));
}
