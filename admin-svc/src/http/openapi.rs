//! The API's OpenAPI document, made from the handlers' own types, so that it cannot say something else than they do.

mod common;

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

use self::common::SecurityScheme;
use super::v1;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate control plane",
        description = "Providers, keys, services and access keys of the gateway; who may change them, and who did.\n\n\
                       Every refusal is `application/problem+json` (RFC 9457) with the request's id. Lists are paged \
                       by `limit` and `after`; `next` is the following page's `after`. A resource's ETag is its \
                       version; `If-Match` on a change refuses with 412 what was changed in the meantime. \
                       `Idempotency-Key` on a create gives a repetition the first answer, for 24 hours."
    ),
    modifiers(&SecurityScheme)
)]
struct Base;

static DOCUMENT: LazyLock<String> = LazyLock::new(generate);

/// The document as JSON, the same bytes every time.
pub fn openapi_document() -> String {
    DOCUMENT.clone()
}

fn generate() -> String {
    let document = common::finish(v1::document(Base::openapi()));
    // A document of strings and maps always serialises.
    document.to_pretty_json().unwrap_or_default() + "\n"
}

/// `GET /api/openapi.json`.
pub(super) async fn serve() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], DOCUMENT.as_str()).into_response()
}
