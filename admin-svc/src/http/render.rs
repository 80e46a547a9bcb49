//! Answers that are no refusals.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use crate::{app::Created, domain::stamp::Stamp};

/// A resource, with its version as ETag.
pub fn resource<T: Serialize>(resource: &T, stamp: Stamp) -> Response {
    let mut response = Json(resource).into_response();
    response.headers_mut().insert(header::ETAG, etag(stamp.version));
    response
}

/// 201 with the new resource, its ETag, and where it is.
pub fn created(created: &Created, collection: &Uri) -> Response {
    let mut response = (StatusCode::CREATED, Json(&created.body)).into_response();
    let headers = response.headers_mut();
    if let Some(id) = created.body.get("id").and_then(Value::as_str)
        && let Ok(location) = HeaderValue::from_str(&format!("{}/{id}", collection.path().trim_end_matches('/')))
    {
        headers.insert(header::LOCATION, location);
    }
    mark(&mut response, created);
    response
}

/// 201 with what cannot be read again, so it is nowhere.
pub fn created_without_address(created: &Created) -> Response {
    let mut response = (StatusCode::CREATED, Json(&created.body)).into_response();
    mark(&mut response, created);
    response
}

/// 200 with the answer of a call that made something inside of a resource.
pub fn ok(created: &Created) -> Response {
    let mut response = Json(&created.body).into_response();
    mark(&mut response, created);
    response
}

fn mark(response: &mut Response, created: &Created) {
    let headers = response.headers_mut();
    if let Some(version) = created.body.get("version").and_then(Value::as_i64) {
        headers.insert(header::ETAG, etag(version));
    }
    if created.replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}

fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
