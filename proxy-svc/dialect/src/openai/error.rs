//! OpenAI's error object, and what its errors mean for a key.

use crate::classify::{Class, Dimension, Fault, Quota, Signs};
use crate::error::{ErrorBody, ErrorKind, to_json};
use crate::json::{Members, string};
use crate::usage::ProviderError;

/// The error's four members, all of which the SDKs' types require.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

#[derive(serde::Serialize)]
struct Outer<'a> {
    error: Inner<'a>,
}

impl<'a> Inner<'a> {
    pub(crate) const fn new(error: &ErrorBody<'a>) -> Self {
        Self { message: error.message, r#type: error_type(error.kind), param: error.param, code: error.kind.code() }
    }
}

pub(super) fn body(error: &ErrorBody<'_>) -> Vec<u8> {
    to_json(&Outer { error: Inner::new(error) })
}

const fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied | ErrorKind::PriceMissing => "permission_error",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::InsufficientQuota => "insufficient_quota",
        ErrorKind::Overloaded
        | ErrorKind::UpstreamUnavailable
        | ErrorKind::UpstreamCredentialsExhausted
        | ErrorKind::UpstreamTimeout
        | ErrorKind::Internal => "server_error",
        _ => "invalid_request_error",
    }
}

/// A spent account looks like a rate limit, or like a fault of the request, and some providers of this protocol say the
/// latter of a bad key, too.
pub(super) fn classify(status: u16, body: Option<&[u8]>) -> Option<Class> {
    match (status, code(body?)?) {
        (400 | 429, Code::Quota) => Some(Class::RateLimited { retry_after_ms: None, quota: Quota::Spent }),
        (400, Code::Key) => Some(Class::CredentialsRefused),
        _ => None,
    }
}

enum Code {
    Quota,
    Key,
}

fn code(body: &[u8]) -> Option<Code> {
    let error = Members::of(body)?.flatten().find(|member| *member.key == *b"error")?;
    let text = body.get(error.value)?;
    Members::of(text)?.flatten().filter(|member| matches!(&*member.key, b"code" | b"type")).find_map(|member| {
        match &*string(text.get(member.value)?)? {
            "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => Some(Code::Quota),
            "invalid_api_key" | "invalid_authentication" | "authentication_error" => Some(Code::Key),
            _ => None,
        }
    })
}

/// Resets are durations (`120ms`, `6m0s`).
pub(super) const DIMENSIONS: &[Dimension] = &[
    Dimension {
        limit: "x-ratelimit-limit-requests",
        remaining: "x-ratelimit-remaining-requests",
        reset: "x-ratelimit-reset-requests",
    },
    Dimension {
        limit: "x-ratelimit-limit-tokens",
        remaining: "x-ratelimit-remaining-tokens",
        reset: "x-ratelimit-reset-tokens",
    },
];

/// OpenAI has codes for it.
pub(super) fn fault(error: &ProviderError) -> Fault {
    let too_long =
        Signs { codes: &["context_length_exceeded", "string_above_max_length"], words: &["maximum context length"] };
    let refused = Signs { codes: &["content_policy_violation", "content_filter", "invalid_prompt"], words: &[] };
    Fault::told(error, too_long, refused)
}
