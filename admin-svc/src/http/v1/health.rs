//! `/api/v1/health/upstream-keys`.

mod get;
mod key_health_body;
mod list;

use axum::{Router, routing::get};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(list::list_key_health, get::get_key_health))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(list::list_key_health)).route("/{id}", get(get::get_key_health))
}
