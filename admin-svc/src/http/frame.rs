//! What every request and every answer has: an id, security headers, and a body for each problem.

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tollgate_shared::ids::RequestId;
use tracing::Instrument;

use super::problem::Problem;
use crate::domain::validation::FieldError;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The body of a refusal (RFC 9457, with our additions).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    #[serde(rename = "type")]
    #[schema(example = "urn:tollgate:problem:validation")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// The request's path.
    instance: String,
    /// Which fields were wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// As in `x-request-id`: finds the request in the log.
    request_id: String,
}

/// The outermost layer.
pub(super) async fn frame(mut request: Request, next: Next) -> Response {
    let id = RequestId::generate();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", request.id = %id);
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = problem_of(&mut response) {
        response = render(problem, path, id, &response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Our own problem, or one for a refusal that the router or a layer made.
fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    (status.is_client_error() || status.is_server_error()).then(|| Problem::of_status(status))
}

fn render(problem: Problem, path: String, id: RequestId, unfinished: &Response) -> Response {
    let body = ProblemBody {
        kind: format!("urn:tollgate:problem:{}", problem.slug),
        title: problem.title.to_owned(),
        status: problem.status.as_u16(),
        detail: problem.detail.into_owned(),
        instance: path,
        errors: problem.errors,
        request_id: id.to_string(),
    };
    let mut response = (problem.status, Json(body)).into_response();
    // What the refusal already said, e.g. `allow` or `set-cookie`; its body's length and type do not hold any more.
    for (name, value) in unfinished.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
    if problem.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
