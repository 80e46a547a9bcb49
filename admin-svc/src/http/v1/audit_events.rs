//! `/api/v1/audit-events`.

mod list;
mod verification;

use axum::{Router, routing::get};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(list::list_audit_events, verification::verify_audit_events))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_audit_events))
        .route("/verification", get(verification::verify_audit_events))
}
