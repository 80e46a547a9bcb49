//! Version 1 of the API: one file a resource, one file below it an endpoint.
//!
//! A new resource is a line in [`routes`] and one in [`document`].

mod access_keys;
mod audit_events;
mod auth;
mod health;
mod key_pools;
mod prices;
mod providers;
mod proxies;
mod services;
mod setup;
mod upstream_keys;
mod usage;
mod users;

use axum::Router;
use utoipa::{OpenApi, openapi};

use crate::app::App;

/// Every resource's routes, below `/api/v1`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .nest("/setup", setup::routes())
        .nest("/auth", auth::routes())
        .nest("/users", users::routes())
        .nest("/providers", providers::routes())
        .nest("/key-pools", key_pools::routes())
        .nest("/upstream-keys", upstream_keys::routes())
        .nest("/services", services::routes())
        .nest("/access-keys", access_keys::routes())
        .nest("/prices", prices::routes())
        .nest("/audit-events", audit_events::routes())
        .nest("/usage", usage::routes())
        .nest("/proxies", proxies::routes())
        .nest("/health/upstream-keys", health::routes())
}

/// Every resource's part of the API's document.
pub(super) fn document(base: openapi::OpenApi) -> openapi::OpenApi {
    base.merge_from(setup::Api::openapi())
        .merge_from(auth::Api::openapi())
        .merge_from(users::Api::openapi())
        .merge_from(providers::Api::openapi())
        .merge_from(key_pools::Api::openapi())
        .merge_from(upstream_keys::Api::openapi())
        .merge_from(services::Api::openapi())
        .merge_from(access_keys::Api::openapi())
        .merge_from(prices::Api::openapi())
        .merge_from(audit_events::Api::openapi())
        .merge_from(usage::Api::openapi())
        .merge_from(proxies::Api::openapi())
        .merge_from(health::Api::openapi())
}
