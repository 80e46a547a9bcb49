//! Which headers cross the gateway: what is not named here does not.
//!
//! An upstream sees the gateway and never its caller; a caller never sees whose account it was. Credentials, `host`,
//! `content-length` and everything that belongs to one connection are not in the lists: who writes a request or an
//! answer sets them. `accept-encoding` is not either: the gateway asks upstreams for `identity`, because it has to
//! read the usage in the answer. A `content-encoding` that an upstream sends all the same goes to the caller with the
//! bytes that it describes.
//!
//! Towards the upstream, for every protocol:
//!
//! | header | why |
//! |---|---|
//! | `accept` | some answers have several forms |
//! | `content-type` | says what the body is, and a form's boundary |
//!
//! besides for one protocol:
//!
//! | protocol | header | why |
//! |---|---|---|
//! | OpenAI | `idempotency-key` | a repeated request is not done twice |
//! | OpenAI | `openai-beta` | switches features on |
//! | Anthropic | `anthropic-beta` | switches features on |
//! | Anthropic | `anthropic-version` | required |
//! | Anthropic | `idempotency-key` | a repeated request is not done twice |
//! | Gemini | `x-server-timeout` | how long the caller waits, in seconds |
//!
//! Back to the caller, for every protocol:
//!
//! | header | why |
//! |---|---|
//! | `cache-control` | keeps caches between gateway and caller away from streams |
//! | `content-disposition` | a file's name |
//! | `content-encoding` | describes the bytes |
//! | `content-type` | describes the bytes |
//! | `retry-after`, `retry-after-ms` | the provider's wish, on errors that are passed back |
//! | `x-should-retry` | the same |
//!
//! besides for one protocol:
//!
//! | protocol | header | why |
//! |---|---|---|
//! | OpenAI | `openai-model` | the model that answered |
//! | OpenAI | `openai-processing-ms` | the provider's own time |
//! | OpenAI | `openai-version` | the protocol's version |
//! | Anthropic | `request-id` | Anthropic's SDKs show it; it names a request, not an account |
//!
//! The provider's `x-request-id` stays behind because the gateway sets its own, and its rate-limit headers because
//! they are about the pool's key: callers get those of their own access key under the same names.

use std::cmp::Ordering;

use crate::Protocol;

/// Which way a header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Ordered by length, then by letters, as all lists of this kind.
const REQUEST: &[&str] = &["accept", "content-type"];
const RESPONSE: &[&str] = &[
    "retry-after",
    "content-type",
    "cache-control",
    "retry-after-ms",
    "x-should-retry",
    "content-encoding",
    "content-disposition",
];

/// Whether a caller's header goes to an upstream of this protocol. Names in any case.
pub fn request_allowed(protocol: Protocol, name: &str) -> bool {
    contains(REQUEST, name) || contains(protocol.dialect().headers(Side::Request), name)
}

/// Whether an upstream's header goes back to a caller of this protocol. Names in any case.
pub fn response_allowed(protocol: Protocol, name: &str) -> bool {
    contains(RESPONSE, name) || contains(protocol.dialect().headers(Side::Response), name)
}

/// All names that [`request_allowed`] lets through.
pub fn request_names(protocol: Protocol) -> impl Iterator<Item = &'static str> {
    REQUEST.iter().chain(protocol.dialect().headers(Side::Request)).copied()
}

/// All names that [`response_allowed`] lets through.
pub fn response_names(protocol: Protocol) -> impl Iterator<Item = &'static str> {
    RESPONSE.iter().chain(protocol.dialect().headers(Side::Response)).copied()
}

/// Most names fall out by their length alone.
fn contains(list: &[&str], name: &str) -> bool {
    for known in list {
        match known.len().cmp(&name.len()) {
            Ordering::Equal if known.eq_ignore_ascii_case(name) => return true,
            Ordering::Less | Ordering::Equal => {}
            Ordering::Greater => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
