//! `/api/v1/access-keys`.

mod budget;
mod create;
mod create_token;
mod get;
mod list;
mod revoke;
mod rotate;
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
    list::list_access_keys,
    create::create_access_key,
    get::get_access_key,
    update::update_access_key,
    revoke::revoke_access_key,
    rotate::rotate_access_key,
    budget::get_access_key_budget,
    create_token::create_access_key_token
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_access_keys).post(create::create_access_key))
        .route("/{id}", get(get::get_access_key).patch(update::update_access_key).delete(revoke::revoke_access_key))
        .route("/{id}/budget", get(budget::get_access_key_budget))
        .route("/{id}/rotate", post(rotate::rotate_access_key))
        .route("/{id}/tokens", post(create_token::create_access_key_token))
}
