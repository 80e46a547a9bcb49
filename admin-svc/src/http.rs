//! The REST API over HTTP: parse, authorise, call [`crate::app`], render. No SQL, no decisions.

mod docs;
pub mod extract;
mod frame;
mod openapi;
pub mod problem;
pub mod render;
pub mod v1;

use axum::{Router, middleware, routing::get};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;

pub use openapi::openapi_document;

/// The whole API. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: log-ins are throttled by address.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .nest("/api/v1", v1::routes())
        .route("/api/openapi.json", get(openapi::serve))
        .merge(docs::routes())
        .fallback(problem::unknown_path)
        .method_not_allowed_fallback(problem::wrong_method);
    framed(routes).with_state(app)
}

/// What every answer needs, also that of a handler which panicked.
fn framed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(CatchPanicLayer::custom(problem::panicked)).layer(middleware::from_fn(frame::frame))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn panic_is_answered_as_a_problem() {
        let router = framed(Router::new().route("/", get(async || -> &'static str { panic!("a bug with sk-canary") })));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("canary"));
    }
}
