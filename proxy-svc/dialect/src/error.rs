//! Refusals and failures in the caller's own protocol.
//!
//! What happened is an [`ErrorKind`]; which status, type and code that is in a protocol is decided here and nowhere
//! else, so that every client's own error handling works against the gateway as against the provider.

use crate::Protocol;

mod kind;
mod stream;

pub use kind::ErrorKind;
pub(crate) use stream::Shape;
pub use stream::{Framing, stream_event};

/// The content type of every rendered error.
pub const CONTENT_TYPE: &str = "application/json";

/// What is said to the caller. It must not hold anything that an upstream said about itself or its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    pub kind: ErrorKind,
    /// A sentence for a person.
    pub message: &'a str,
    /// The request's field that is at fault.
    pub param: Option<&'a str>,
    pub request_id: &'a str,
    /// Where waiting helps; it belongs into the `retry-after` header too, and only Gemini says it in the body.
    pub retry_after_ms: Option<u64>,
}

/// An error's status, content type and body for callers of a protocol.
pub fn render(protocol: Protocol, error: &ErrorBody<'_>) -> (u16, &'static str, Vec<u8>) {
    let dialect = protocol.dialect();
    (dialect.status(error.kind), CONTENT_TYPE, dialect.error_body(error))
}

/// The status alone.
pub fn status(protocol: Protocol, kind: ErrorKind) -> u16 {
    protocol.dialect().status(kind)
}

/// Serialising plain structs of strings and integers into memory does not fail.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
