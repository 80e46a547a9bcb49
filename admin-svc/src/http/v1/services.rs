//! `/api/v1/services`.

mod budget;
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
    list::list_services,
    create::create_service,
    get::get_service,
    update::update_service,
    delete::delete_service,
    budget::get_service_budget
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_services).post(create::create_service))
        .route("/{id}", get(get::get_service).patch(update::update_service).delete(delete::delete_service))
        .route("/{id}/budget", get(budget::get_service_budget))
}
