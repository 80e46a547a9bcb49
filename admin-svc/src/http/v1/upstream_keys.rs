//! `/api/v1/upstream-keys`.

mod create;
mod delete;
mod get;
mod import;
mod list;
mod test;
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
    list::list_upstream_keys,
    create::create_upstream_key,
    get::get_upstream_key,
    update::update_upstream_key,
    delete::delete_upstream_key,
    import::import_upstream_keys,
    test::test_upstream_key
))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(list::list_upstream_keys).post(create::create_upstream_key))
        .route("/import", post(import::import_upstream_keys))
        .route("/{id}/test", post(test::test_upstream_key))
        .route(
            "/{id}",
            get(get::get_upstream_key).patch(update::update_upstream_key).delete(delete::delete_upstream_key),
        )
}
