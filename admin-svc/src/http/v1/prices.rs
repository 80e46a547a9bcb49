//! `/api/v1/prices`.

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
#[openapi(paths(list::list_prices, create::create_price, get::get_price, update::update_price, delete::delete_price))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_prices).post(create::create_price))
        .route("/{id}", get(get::get_price).patch(update::update_price).delete(delete::delete_price))
}
