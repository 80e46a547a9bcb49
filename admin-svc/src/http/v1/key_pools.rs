//! `/api/v1/key-pools`.

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
    list::list_key_pools,
    create::create_key_pool,
    get::get_key_pool,
    update::update_key_pool,
    delete::delete_key_pool
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_key_pools).post(create::create_key_pool))
        .route("/{id}", get(get::get_key_pool).patch(update::update_key_pool).delete(delete::delete_key_pool))
}
