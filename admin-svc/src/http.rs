//! The REST API over HTTP: parse, authorise, call [`crate::app`], render. No SQL, no decisions.

mod frame;
pub mod problem;
pub mod v1;

use axum::{Router, middleware};

use crate::app::App;

/// The whole API. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: log-ins are throttled by address.
pub fn router(app: App) -> Router {
    Router::new()
        .nest("/api/v1", v1::routes())
        .fallback(problem::unknown_path)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(middleware::from_fn(frame::frame))
        .with_state(app)
}
