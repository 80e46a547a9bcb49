//! What proxies are told of users.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tollgate_proto::{Budget, BudgetPeriod, Limits, Resource, ResourceKind, ResourceRef, User, resource};

use crate::{
    control_plane::ControlPlane,
    database::on_both,
    proxy::{Watch, ids},
};

on_both!(
    crate::control_plane::ControlPlane::start;
    a_user_with_limits_reaches_proxies_and_one_without_does_not,
    a_disabled_user_reaches_proxies_until_it_is_enabled_again,
    a_user_with_a_budget_reaches_proxies,
);

async fn a_user_with_limits_reaches_proxies_and_one_without_does_not(plane: ControlPlane) {
    let body = |email: &str| json!({"email": email, "role": "member", "password": "a password for tests"});
    let user = plane.create("/api/v1/users", &body("limited@example.com")).await;
    let id = user["id"].as_str().unwrap().to_owned();
    plane.published().await;
    let (mut watch, whole) = Watch::in_sync(&plane).await;
    assert!(!ids(&whole.resources).contains_key(&id));
    let path = format!("/api/v1/users/{id}");
    let limits = json!({"limits": {"rpm": 7, "tpm": 8, "rpd": 9, "concurrency": 10}});
    plane.call(Method::PATCH, &path, Some(&limits), StatusCode::OK).await;
    let delta = watch.delta().await;
    let expected = User {
        id: id.clone(),
        limits: Some(Limits { rpm: Some(7), tpm: Some(8), rpd: Some(9), concurrency: Some(10) }),
        disabled: false,
        budget: None,
    };
    assert_eq!(delta.upserts, [Resource { resource: Some(resource::Resource::User(expected)) }]);
    watch.ack(delta.nonce, delta.to).await;
    let (_, whole) = Watch::in_sync(&plane).await;
    assert_eq!(ids(&whole.resources).get(&id), Some(&"user"));

    plane.call(Method::PATCH, &path, Some(&json!({"limits": null})), StatusCode::OK).await;
    let delta = watch.delta().await;
    assert_eq!(delta.deletes, [ResourceRef { kind: ResourceKind::User.into(), id }]);
    watch.ack(delta.nonce, delta.to).await;
    // Another change of a user is none of theirs.
    plane.call(Method::PATCH, &path, Some(&json!({"name": "else"})), StatusCode::OK).await;
    watch.quiet(Duration::from_millis(700)).await;
}

async fn a_disabled_user_reaches_proxies_until_it_is_enabled_again(plane: ControlPlane) {
    let body = json!({"email": "out@example.com", "role": "member", "password": "a password for tests"});
    let user = plane.create("/api/v1/users", &body).await;
    let id = user["id"].as_str().unwrap().to_owned();
    plane.published().await;
    let (mut watch, _) = Watch::in_sync(&plane).await;
    let path = format!("/api/v1/users/{id}");
    for _ in 0..2 {
        plane.call(Method::PATCH, &path, Some(&json!({"status": "disabled"})), StatusCode::OK).await;
        let delta = watch.delta().await;
        let expected = User { id: id.clone(), limits: Some(Limits::default()), disabled: true, budget: None };
        assert_eq!(delta.upserts, [Resource { resource: Some(resource::Resource::User(expected)) }]);
        watch.ack(delta.nonce, delta.to).await;
        let (_, whole) = Watch::in_sync(&plane).await;
        assert_eq!(ids(&whole.resources).get(&id), Some(&"user"));

        plane.call(Method::PATCH, &path, Some(&json!({"status": "active"})), StatusCode::OK).await;
        let delta = watch.delta().await;
        assert_eq!(delta.deletes, [ResourceRef { kind: ResourceKind::User.into(), id: id.clone() }]);
        watch.ack(delta.nonce, delta.to).await;
    }
    plane.call(Method::PATCH, &path, Some(&json!({"status": "disabled"})), StatusCode::OK).await;
    let delta = watch.delta().await;
    watch.ack(delta.nonce, delta.to).await;
    plane.call(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    let delta = watch.delta().await;
    assert_eq!(delta.deletes, [ResourceRef { kind: ResourceKind::User.into(), id }]);
}

async fn a_user_with_a_budget_reaches_proxies(plane: ControlPlane) {
    let budget = json!({"amount": "2.50", "currency": "USD", "period": "week", "lease": "single"});
    let body = json!({"email": "rich@example.com", "role": "member", "password": "a password for tests"});
    let (mut watch, _) = Watch::in_sync(&plane).await;
    let user = plane.create("/api/v1/users", &body).await;
    let id = user["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    plane.call(Method::PATCH, &path, Some(&json!({"budget": budget})), StatusCode::OK).await;
    let delta = watch.delta().await;
    let period = BudgetPeriod::Week.into();
    let budget = Budget { amount_micros: 2_500_000, currency: "USD".to_owned(), period, hard: true, single: true };
    let expected = User { id: id.clone(), limits: Some(Limits::default()), disabled: false, budget: Some(budget) };
    assert_eq!(delta.upserts, [Resource { resource: Some(resource::Resource::User(expected)) }]);
    watch.ack(delta.nonce, delta.to).await;
    let (_, whole) = Watch::in_sync(&plane).await;
    assert_eq!(ids(&whole.resources).get(&id), Some(&"user"));
    plane.call(Method::PATCH, &path, Some(&json!({"budget": null})), StatusCode::OK).await;
    let delta = watch.delta().await;
    assert_eq!(delta.deletes, [ResourceRef { kind: ResourceKind::User.into(), id }]);
}
