//! Version 1 of the API: one file a resource, one file below it an endpoint.

use axum::Router;

use crate::app::App;

/// Every resource's routes, below `/api/v1`.
pub fn routes() -> Router<App> {
    Router::new()
}
