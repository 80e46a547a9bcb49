//! JSON bodies: content type, size, syntax, then fields, each with its own refusal.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::digest::{Context, SHA256};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document;
use crate::{
    app::{App, Once},
    domain::patch::{Patch, from_value},
    http::problem::Problem,
};

/// Enough for an import of a thousand keys.
const LARGEST_BODY_BYTES: usize = 1024 * 1024;
/// A client that sends slower holds a connection for nothing.
const BODY_WITHIN: Duration = Duration::from_secs(30);
const LONGEST_IDEMPOTENCY_KEY: usize = 255;

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A JSON body, or the default when there is none.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub T);

/// The JSON body of a create call, and how the call identifies itself.
#[derive(Debug)]
pub struct CreateBody<T>(pub T, pub Once);

/// The body of a `PATCH`.
#[derive(Debug)]
pub struct PatchBody(pub Patch);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        parse(&read(request, &["application/json"]).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            let bytes = read_bytes(request).await?;
            return if bytes.is_empty() { Ok(Self(T::default())) } else { Err(wrong_type()) };
        }
        let bytes = read(request, &["application/json"]).await?;
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

impl<T: DeserializeOwned> FromRequest<App> for CreateBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let key = idempotency_key(request.headers())?;
        let mut hash = Context::new(&SHA256);
        hash.update(request.method().as_str().as_bytes());
        hash.update(request.uri().path().as_bytes());
        hash.update(&[0]);
        // An absent body is a default one where the type allows it (`{}`), as with a rotation.
        let has_type = request.headers().contains_key(header::CONTENT_TYPE);
        let bytes = if has_type { read(request, &["application/json"]).await? } else { read_bytes(request).await? };
        if !has_type && !bytes.is_empty() {
            return Err(wrong_type());
        }
        hash.update(&bytes);
        let request_hash = BASE64.encode(hash.finish());
        let body = if bytes.is_empty() { parse(b"{}")? } else { parse(&bytes)? };
        Ok(Self(body, Once { key, request_hash }))
    }
}

impl FromRequest<App> for PatchBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let bytes = read(request, &["application/json", "application/merge-patch+json"]).await?;
        match document::read(&bytes)? {
            Value::Object(fields) => Ok(Self(Patch(fields))),
            _ => Err(Problem::malformed("The body must be a JSON object.")),
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=LONGEST_IDEMPOTENCY_KEY).contains(&text.len()));
    text.map(|text| Some(text.to_owned()))
        .ok_or_else(|| Problem::malformed("`Idempotency-Key` must have 1 to 255 printable ASCII characters."))
}

async fn read(request: Request, accepted: &[&str]) -> Result<Bytes, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next()).map(|text| text.trim().to_ascii_lowercase());
    if !media_type.is_some_and(|media_type| accepted.contains(&media_type.as_str())) {
        return Err(wrong_type());
    }
    read_bytes(request).await
}

async fn read_bytes(request: Request) -> Result<Bytes, Problem> {
    let reading = tokio::time::timeout(BODY_WITHIN, to_bytes(request.into_body(), LARGEST_BODY_BYTES));
    let read = reading.await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "Time-out", "The body did not arrive in time.")
    })?;
    read.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
            return Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "Body too large",
                "The body must not be larger than 1 MiB.",
            );
        }
        Problem::malformed("The body could not be read.")
    })
}

fn wrong_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        "Unsupported content type",
        "The body must be JSON, and `content-type` must say `application/json`.",
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    Ok(from_value(document::read(bytes)?)?)
}
