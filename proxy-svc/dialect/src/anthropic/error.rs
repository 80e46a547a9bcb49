//! Anthropic's error object, and what its errors mean for a key.

use crate::classify::{Class, Dimension, Fault, Quota, Signs};
use crate::error::{ErrorBody, ErrorKind, to_json};
use crate::usage::ProviderError;

#[derive(serde::Serialize)]
struct Outer<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    request_id: &'a str,
}

#[derive(serde::Serialize)]
struct Inner<'a> {
    r#type: &'static str,
    message: &'a str,
    details: Details,
}

/// Where the SDKs look for a code that is finer than the type.
#[derive(serde::Serialize)]
struct Details {
    error_code: &'static str,
}

pub(super) fn body(error: &ErrorBody<'_>) -> Vec<u8> {
    to_json(&Outer {
        r#type: "error",
        error: Inner {
            r#type: error_type(error.kind),
            message: error.message,
            details: Details { error_code: error.kind.code() },
        },
        request_id: error.request_id,
    })
}

pub(super) const fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InsufficientQuota => 402,
        ErrorKind::Overloaded => 529,
        other => other.general_status(),
    }
}

const fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::MissingCredential
        | ErrorKind::InvalidCredential
        | ErrorKind::ExpiredCredential
        | ErrorKind::RevokedCredential
        | ErrorKind::SignatureMissing
        | ErrorKind::SignatureUnsupported
        | ErrorKind::SignatureMismatch
        | ErrorKind::DigestMismatch
        | ErrorKind::SignatureNotCurrent
        | ErrorKind::SignatureExpired
        | ErrorKind::NonceReused => "authentication_error",
        ErrorKind::PermissionDenied | ErrorKind::PriceMissing => "permission_error",
        ErrorKind::NotFound | ErrorKind::ModelNotFound | ErrorKind::UpstreamKeyGone => "not_found_error",
        ErrorKind::RequestTooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::InsufficientQuota => "billing_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::RequestTimeout | ErrorKind::UpstreamTimeout => "timeout_error",
        ErrorKind::UpstreamUnavailable | ErrorKind::UpstreamCredentialsExhausted | ErrorKind::Internal => "api_error",
        ErrorKind::InvalidRequest
        | ErrorKind::MalformedBody
        | ErrorKind::ContextWindowExceeded
        | ErrorKind::ContentPolicy
        | ErrorKind::MethodNotAllowed
        | ErrorKind::UnsupportedMediaType
        | ErrorKind::HeaderFieldsTooLarge
        | ErrorKind::TargetTooLong
        | ErrorKind::TransferCodingUnsupported
        | ErrorKind::VersionUnsupported => "invalid_request_error",
    }
}

/// Anthropic's statuses say nearly all: an account without credit is a 400 with words, and a spent allowance looks like
/// a rate limit.
pub(super) fn classify(status: u16, body: Option<&[u8]>) -> Option<Class> {
    let says = |words: &[u8]| body.is_some_and(|body| memchr::memmem::find(body, words).is_some());
    match status {
        400 if says(b"credit balance is too low") => Some(Class::CredentialsRefused),
        429 if says(b"spend_limit_reached\"") => Some(Class::RateLimited { retry_after_ms: None, quota: Quota::Spent }),
        _ => None,
    }
}

/// Resets are times of RFC 3339, which count from the answer's own date.
pub(super) const DIMENSIONS: &[Dimension] = &[
    Dimension {
        limit: "anthropic-ratelimit-requests-limit",
        remaining: "anthropic-ratelimit-requests-remaining",
        reset: "anthropic-ratelimit-requests-reset",
    },
    Dimension {
        limit: "anthropic-ratelimit-tokens-limit",
        remaining: "anthropic-ratelimit-tokens-remaining",
        reset: "anthropic-ratelimit-tokens-reset",
    },
    Dimension {
        limit: "anthropic-ratelimit-input-tokens-limit",
        remaining: "anthropic-ratelimit-input-tokens-remaining",
        reset: "anthropic-ratelimit-input-tokens-reset",
    },
    Dimension {
        limit: "anthropic-ratelimit-output-tokens-limit",
        remaining: "anthropic-ratelimit-output-tokens-remaining",
        reset: "anthropic-ratelimit-output-tokens-reset",
    },
];

/// Said in words alone.
pub(super) fn fault(error: &ProviderError) -> Fault {
    let too_long =
        Signs { codes: &[], words: &["prompt is too long", "exceed context limit", "exceeds the context window"] };
    let refused = Signs { codes: &[], words: &["content filtering policy", "usage policy"] };
    Fault::told(error, too_long, refused)
}
