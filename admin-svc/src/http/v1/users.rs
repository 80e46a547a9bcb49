//! `/api/v1/users`.

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
    list::list_users,
    create::create_user,
    get::get_user,
    update::update_user,
    delete::delete_user,
    budget::get_user_budget
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_users).post(create::create_user))
        .route("/{id}", get(get::get_user).patch(update::update_user).delete(delete::delete_user))
        .route("/{id}/budget", get(budget::get_user_budget))
}
