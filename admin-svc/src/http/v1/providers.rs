//! `/api/v1/providers`.

mod create;
mod delete;
mod get;
mod list;
mod update;

use axum::{Router, routing::get};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(
    list::list_providers,
    create::create_provider,
    get::get_provider,
    update::update_provider,
    delete::delete_provider
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_providers).post(create::create_provider))
        .route("/{id}", get(get::get_provider).patch(update::update_provider).delete(delete::delete_provider))
}
