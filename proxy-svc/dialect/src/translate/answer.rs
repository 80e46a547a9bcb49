//! An upstream's whole answer, or its error → the caller's.

use super::{Format, Names, Terms};
use crate::Protocol;
use crate::canonical::{Block, Text};
use crate::classify::{self, Fault};
use crate::error::{self, ErrorBody, ErrorKind};
use crate::json::Value;
use crate::usage::{ProviderError, Usage};

/// A 200 whose body is no answer of the upstream's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer is not of its protocol")]
pub struct Unreadable;

/// Writes a whole answer for the caller. `usage` is what [`crate::usage::Tap`] found in the same body; `names` are
/// those that the request was written with.
pub(crate) fn write_answer(
    from: Format,
    to: Format,
    body: &[u8],
    usage: Option<&Usage>,
    terms: &Terms<'_>,
    names: &Names,
) -> Result<Vec<u8>, Unreadable> {
    let body = Value::parse(body).map_err(|_| Unreadable)?;
    let mut answer = from.codec().read_answer(body).ok_or(Unreadable)?;
    if !names.is_empty() {
        for block in answer.choices.iter_mut().flat_map(|choice| &mut choice.content) {
            if let Block::ToolCall(call) = block {
                call.name = Text::from(names.original(&call.name.decode()).to_owned());
            }
        }
    }
    let mut out = Vec::with_capacity(body.raw().len() + 512);
    to.codec().write_answer(&answer, usage, terms, &mut out);
    Ok(out)
}

/// Writes an upstream's error that is the request's own fault in the caller's protocol: status, content type, body.
/// `body` must not hold the upstream's key any more.
pub fn write_error(
    from: Protocol,
    to: Protocol,
    status: u16,
    body: &[u8],
    request_id: &str,
) -> (u16, &'static str, Vec<u8>) {
    let found = ProviderError::in_answer(body);
    let kind = match (classify::fault(from, status, body), status) {
        (Fault::ContextWindow, _) => ErrorKind::ContextWindowExceeded,
        (Fault::ContentPolicy, _) => ErrorKind::ContentPolicy,
        (Fault::Other, 404) if found.names().any(|name| name == "model_not_found") => ErrorKind::ModelNotFound,
        (Fault::Other, 404) => ErrorKind::NotFound,
        (Fault::Other, 413) => ErrorKind::RequestTooLarge,
        (Fault::Other, _) => ErrorKind::InvalidRequest,
    };
    let message = match found.message.as_str() {
        "" => "The upstream refused the request.",
        message => message,
    };
    error::render(to, &ErrorBody { kind, message, param: None, request_id, retry_after_ms: None })
}
