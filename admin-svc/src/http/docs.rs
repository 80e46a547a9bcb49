//! `/api/docs`: a page that shows the API's document. Everything on it comes from this binary, nothing from elsewhere.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};

use crate::app::App;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/docs", get(page))
        .route("/api/docs/page.js", get(async || asset("text/javascript", include_str!("docs/page.js"))))
        .route("/api/docs/page.css", get(async || asset("text/css", include_str!("docs/page.css"))))
}

async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("docs/page.html"))).into_response()
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
}
