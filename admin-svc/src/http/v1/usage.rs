//! `/api/v1/usage`.

mod event_body;
mod get;
mod list;
mod parameters;
mod summary;

use axum::{Router, routing::get};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(list::list_usage_events, get::get_usage_event, summary::get_usage_summary))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/events", get(list::list_usage_events))
        .route("/events/{request_id}", get(get::get_usage_event))
        .route("/summary", get(summary::get_usage_summary))
}
