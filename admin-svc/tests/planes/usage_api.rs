//! `/api/v1/usage`, fed by a proxy.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_proto::{CacheUse, Outcome, Usage, UsageEvent};
use uuid::Uuid;

use crate::{
    control_plane::ControlPlane,
    database::on_both,
    events::{event, now_us},
    proxy::Report,
};

on_both!(
    crate::control_plane::ControlPlane::start;
    an_event_is_shown_as_it_was_reported,
    a_hit_of_the_cache_is_counted_and_used_nothing,
    events_are_paged_newest_first,
    filters_narrow_the_list,
    a_summary_groups_and_adds_up,
    a_member_sees_only_their_own,
    questions_that_make_no_sense_are_refused,
);

const MINUTE_US: i64 = 60_000_000;

async fn deliver(plane: &ControlPlane, events: Vec<UsageEvent>) {
    let mut report = Report::open(plane.grpc_url()).await;
    for batch in events.chunks(1_000) {
        report.send(batch.to_vec()).await;
    }
    report.settled().await;
}

fn request_ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["request_id"].as_str().unwrap().to_owned()).collect()
}

async fn an_event_is_shown_as_it_was_reported(plane: ControlPlane) {
    let service = Uuid::now_v7().to_string();
    let mut sent = event(&service);
    sent.started_at_unix_us = 1_000_000 * (now_us() / 1_000_000) + 250_000;
    deliver(&plane, vec![sent.clone()]).await;
    let shown = plane.get(&format!("/api/v1/usage/events/{}", sent.request_id)).await;
    let expected = json!({
        "request_id": sent.request_id,
        "duration_ms": 1250.5,
        "ttft_ms": 180.25,
        "status": 200,
        "outcome": "ok",
        "protocol": "openai",
        "stream": true,
        "service_id": service,
        "access_key_id": sent.access_key_id,
        "user_id": sent.user_id,
        "model_requested": "gpt-4o",
        "model_served": "gpt-4o-2024-11-20",
        "provider_id": sent.provider_id,
        "upstream_key_id": sent.upstream_key_id,
        "cost": null,
        "cache": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(shown.get(field), Some(value), "{field}");
    }
    assert!(shown["started_at"].as_str().unwrap().contains(".25Z"), "{shown}");
    let usage = json!({
        "input_uncached": 20, "cache_read": 10, "cache_write_5m": 0, "cache_write_1h": 0, "output": 12, "reasoning": 5,
        "source": "provider", "input_audio": 0, "output_audio": 0, "input_image": 0,
    });
    assert_eq!(shown["usage"], usage);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["reason"]), (&json!("ok"), &json!("first")));
    assert_eq!((&attempt["duration_ms"], &attempt["model"]), (&json!(1200.0), &json!("gpt-4o-2024-11-20")));
    assert_eq!(plane.get("/api/v1/usage/events").await["items"], json!([shown]));
    let unknown = format!("/api/v1/usage/events/{}", Uuid::now_v7());
    plane.call(Method::GET, &unknown, None, StatusCode::NOT_FOUND).await;
}

/// The sums are of what was used at providers.
async fn a_hit_of_the_cache_is_counted_and_used_nothing(plane: ControlPlane) {
    let service = Uuid::now_v7().to_string();
    let hit = UsageEvent { cache: CacheUse::Hit.into(), attempts: Vec::new(), ..event(&service) };
    let miss = UsageEvent { cache: CacheUse::Miss.into(), ..event(&service) };
    deliver(&plane, vec![hit.clone(), miss]).await;
    let shown = plane.get(&format!("/api/v1/usage/events/{}", hit.request_id)).await;
    assert_eq!((&shown["cache"], &shown["usage"]["output"]), (&json!("hit"), &json!(12)));
    let summary = plane.get("/api/v1/usage/summary?group_by=service").await;
    let row = &summary["items"][0];
    assert_eq!((&row["requests"], &row["input_tokens"], &row["output_tokens"]), (&json!(2), &json!(30), &json!(12)));
}

async fn events_are_paged_newest_first(plane: ControlPlane) {
    let service = Uuid::now_v7().to_string();
    let now = now_us();
    // Many of the same moment: the page ends among them.
    let events: Vec<UsageEvent> =
        (0..25).map(|index| UsageEvent { started_at_unix_us: now - index / 10, ..event(&service) }).collect();
    let mut expected: Vec<(i64, String)> =
        events.iter().map(|event| (event.started_at_unix_us, event.request_id.clone())).collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    deliver(&plane, events).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/usage/events?limit=7".to_owned();
    loop {
        let page = plane.get(&path).await;
        seen.extend(request_ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/usage/events?limit=7&after={next}");
    }
    assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

async fn filters_narrow_the_list(plane: ControlPlane) {
    let service = Uuid::now_v7().to_string();
    let plain = event(&service);
    let failed = UsageEvent {
        status: 502,
        outcome: Outcome::UpstreamError.into(),
        provider_id: Uuid::from_u128(77).to_string(),
        upstream_key_id: Uuid::from_u128(78).to_string(),
        access_key_id: Uuid::from_u128(79).to_string(),
        user_id: Uuid::from_u128(80).to_string(),
        model_requested: "claude".to_owned(),
        model_served: String::new(),
        started_at_unix_us: now_us() - 5 * MINUTE_US,
        ..event(&Uuid::now_v7().to_string())
    };
    deliver(&plane, vec![plain.clone(), failed.clone()]).await;
    let three_minutes_ago = "2026-01-01T00:00:00Z";
    for (filter, expected) in [
        (format!("service_id={service}"), &plain),
        (format!("service_id={}", failed.service_id), &failed),
        (format!("access_key_id={}", failed.access_key_id), &failed),
        (format!("user_id={}", failed.user_id), &failed),
        ("model=claude".to_owned(), &failed),
        ("model=gpt-4o".to_owned(), &plain),
        ("model=gpt-4o-2024-11-20".to_owned(), &plain),
        (format!("provider_id={}", failed.provider_id), &failed),
        (format!("upstream_key_id={}", failed.upstream_key_id), &failed),
        ("status=502".to_owned(), &failed),
        ("outcome=upstream_error".to_owned(), &failed),
        (format!("outcome=ok&from={three_minutes_ago}"), &plain),
    ] {
        let page = plane.get(&format!("/api/v1/usage/events?{filter}")).await;
        assert_eq!(request_ids(&page), [expected.request_id.as_str()], "{filter}");
    }
    let none = plane.get(&format!("/api/v1/usage/events?to={three_minutes_ago}")).await;
    assert_eq!(none["items"], json!([]));
}

async fn a_summary_groups_and_adds_up(plane: ControlPlane) {
    let (one, other) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    let mut events: Vec<UsageEvent> = (0..10).map(|_| event(&one)).collect();
    events.extend((0..4).map(|_| UsageEvent {
        started_at_unix_us: now_us() - 90 * MINUTE_US,
        outcome: Outcome::Refused.into(),
        status: 429,
        usage: Some(Usage { input_uncached: 7, ..Usage::default() }),
        ttft_us: None,
        duration_us: 3_000,
        ..event(&other)
    }));
    deliver(&plane, events).await;
    let summary = plane.get("/api/v1/usage/summary?group_by=service,model").await;
    let items = summary["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let of = |service: &str| items.iter().find(|item| item["service_id"] == service).unwrap();
    let first = of(&one);
    assert_eq!((&first["requests"], &first["errors"]), (&json!(10), &json!(0)));
    assert_eq!((&first["input_tokens"], &first["output_tokens"]), (&json!(300), &json!(120)));
    assert_eq!((&first["cached_tokens"], &first["reasoning_tokens"]), (&json!(100), &json!(50)));
    assert_eq!((&first["model"], &first["cost"]), (&json!("gpt-4o-2024-11-20"), &json!(null)));
    let median = first["latency_ms"]["p50"].as_f64().unwrap();
    assert!((1_000.0..=1_500.0).contains(&median), "{median}");
    let ttft = first["ttft_ms"]["p95"].as_f64().unwrap();
    assert!((150.0..=200.0).contains(&ttft), "{ttft}");
    let second = of(&other);
    assert_eq!((&second["requests"], &second["errors"], &second["refused"]), (&json!(4), &json!(4), &json!(4)));
    assert_eq!((&second["input_tokens"], &second["ttft_ms"]["p50"]), (&json!(28), &json!(null)));
    assert_eq!((&summary["total"]["requests"], &summary["total"]["input_tokens"]), (&json!(14), &json!(328)));

    let hourly = plane.get(&format!("/api/v1/usage/summary?interval=hour&service_id={other}")).await;
    assert_eq!(hourly["items"].as_array().unwrap().len(), 1);
    assert_eq!(hourly["items"][0]["requests"], 4);
    assert!(hourly["items"][0]["start"].as_str().unwrap().ends_with(":00:00Z"), "{hourly}");
    assert!(hourly["items"][0].get("service_id").is_none());
    let nothing = plane.get(&format!("/api/v1/usage/summary?service_id={}", Uuid::now_v7())).await;
    assert_eq!((&nothing["items"], &nothing["total"]["requests"]), (&json!([]), &json!(0)));
}

async fn a_member_sees_only_their_own(plane: ControlPlane) {
    let member = plane.user("member").await;
    let service = Uuid::now_v7().to_string();
    let own = UsageEvent { user_id: member.id.clone(), ..event(&service) };
    let others = event(&service);
    deliver(&plane, vec![own.clone(), others.clone()]).await;
    assert_eq!(request_ids(&plane.get("/api/v1/usage/events").await).len(), 2);
    let page = member.get("/api/v1/usage/events", StatusCode::OK).await;
    assert_eq!(request_ids(&page), [own.request_id.as_str()]);
    let path = |event: &UsageEvent| format!("/api/v1/usage/events/{}", event.request_id);
    member.get(&path(&own), StatusCode::OK).await;
    member.get(&path(&others), StatusCode::NOT_FOUND).await;
    let summary = member.get("/api/v1/usage/summary?group_by=user", StatusCode::OK).await;
    assert_eq!((&summary["total"]["requests"], &summary["items"][0]["user_id"]), (&json!(1), &json!(member.id)));
    let other = format!("user_id={}", others.user_id);
    member.get(&format!("/api/v1/usage/events?{other}"), StatusCode::FORBIDDEN).await;
    member.get(&format!("/api/v1/usage/summary?{other}"), StatusCode::FORBIDDEN).await;
}

async fn questions_that_make_no_sense_are_refused(plane: ControlPlane) {
    for (path, field) in [
        ("events?status=many", "status"),
        ("events?outcome=great", "outcome"),
        ("events?from=yesterday", "from"),
        ("events?colour=red", "colour"),
        ("events?after=1", "after"),
        ("summary?group_by=colour", "group_by"),
        ("summary?group_by=model,model", "group_by"),
        ("summary?interval=week", "interval"),
        ("summary?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("summary?from=2020-01-01T00:00:00Z&interval=minute", "interval"),
    ] {
        let path = format!("/api/v1/usage/{path}");
        let refusal = plane.call(Method::GET, &path, None, StatusCode::BAD_REQUEST).await;
        assert_eq!(refusal["errors"][0]["field"], field, "{path}: {refusal}");
    }
    // What PostgreSQL could not compare.
    assert_eq!(plane.get("/api/v1/usage/events?model=%00").await["items"], json!([]));
}
