//! `/api/v1/providers`.

mod create;
mod delete;
mod get;
mod list;
mod refresh_models;
mod update;

use axum::{
    Router,
    routing::{get, post},
};
use utoipa::OpenApi;

use crate::app::App;

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(
    list::list_providers,
    create::create_provider,
    get::get_provider,
    update::update_provider,
    delete::delete_provider,
    refresh_models::refresh_provider_models
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_providers).post(create::create_provider))
        .route("/{id}", get(get::get_provider).patch(update::update_provider).delete(delete::delete_provider))
        .route("/{id}/models/refresh", post(refresh_models::refresh_provider_models))
}
