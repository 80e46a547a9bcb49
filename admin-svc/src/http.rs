//! The REST API over HTTP: parse, authorise, call [`crate::app`], render. No SQL, no decisions.

pub mod extract;
mod frame;
mod openapi;
pub mod problem;
pub mod render;
pub mod v1;

use axum::{Router, middleware, routing::get};

use crate::app::App;

pub use openapi::openapi_document;

/// The whole API. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: log-ins are throttled by address.
pub fn router(app: App) -> Router {
    Router::new()
        .nest("/api/v1", v1::routes())
        .route("/api/openapi.json", get(openapi::serve))
        .fallback(problem::unknown_path)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(middleware::from_fn(frame::frame))
        .with_state(app)
}
