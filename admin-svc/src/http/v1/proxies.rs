//! `/api/v1/proxies`.

mod get;
mod list;
mod proxy_body;

use axum::{Router, routing::get};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(list::list_proxies, get::get_proxy))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(list::list_proxies)).route("/{id}", get(get::get_proxy))
}
