//! Gemini's error object, and what its errors mean for a key.

use crate::classify::{Class, Fault, Quota, Signs, wait};
use crate::error::{ErrorBody, ErrorKind, to_json};
use crate::json::{Elements, Members, string};
use crate::usage::ProviderError;

#[derive(serde::Serialize)]
struct Outer<'a> {
    error: Inner<'a>,
}

#[derive(serde::Serialize)]
struct Inner<'a> {
    /// An integer: Google's SDK fails on a string.
    code: u16,
    message: &'a str,
    status: &'static str,
    details: Vec<Detail<'a>>,
}

#[derive(serde::Serialize)]
#[serde(tag = "@type")]
enum Detail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.ErrorInfo")]
    ErrorInfo { reason: String, domain: &'static str },
    #[serde(rename = "type.googleapis.com/google.rpc.RequestInfo")]
    RequestInfo {
        #[serde(rename = "requestId")]
        request_id: &'a str,
    },
    #[serde(rename = "type.googleapis.com/google.rpc.BadRequest")]
    BadRequest {
        #[serde(rename = "fieldViolations")]
        field_violations: [FieldViolation<'a>; 1],
    },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo")]
    RetryInfo {
        #[serde(rename = "retryDelay")]
        retry_delay: String,
    },
}

#[derive(serde::Serialize)]
struct FieldViolation<'a> {
    field: &'a str,
    description: &'a str,
}

pub(super) fn body(error: &ErrorBody<'_>) -> Vec<u8> {
    let mut details = vec![
        Detail::ErrorInfo { reason: error.kind.code().to_ascii_uppercase(), domain: "tollgate" },
        Detail::RequestInfo { request_id: error.request_id },
    ];
    if let Some(field) = error.param {
        let violation = FieldViolation { field, description: error.message };
        details.push(Detail::BadRequest { field_violations: [violation] });
    }
    if let Some(wait) = error.retry_after_ms {
        let retry_delay = format!("{}.{:03}s", wait / 1000, wait % 1000);
        details.push(Detail::RetryInfo { retry_delay });
    }
    let code = error.kind.general_status();
    to_json(&Outer { error: Inner { code, message: error.message, status: rpc_status(error.kind), details } })
}

const fn rpc_status(kind: ErrorKind) -> &'static str {
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
        | ErrorKind::NonceReused => "UNAUTHENTICATED",
        ErrorKind::PermissionDenied | ErrorKind::PriceMissing => "PERMISSION_DENIED",
        ErrorKind::NotFound | ErrorKind::ModelNotFound | ErrorKind::UpstreamKeyGone => "NOT_FOUND",
        ErrorKind::RateLimited | ErrorKind::InsufficientQuota => "RESOURCE_EXHAUSTED",
        ErrorKind::Overloaded | ErrorKind::UpstreamUnavailable | ErrorKind::UpstreamCredentialsExhausted => {
            "UNAVAILABLE"
        }
        ErrorKind::RequestTimeout | ErrorKind::UpstreamTimeout => "DEADLINE_EXCEEDED",
        ErrorKind::Internal => "INTERNAL",
        ErrorKind::TransferCodingUnsupported | ErrorKind::VersionUnsupported => "UNIMPLEMENTED",
        ErrorKind::InvalidRequest
        | ErrorKind::MalformedBody
        | ErrorKind::ContextWindowExceeded
        | ErrorKind::ContentPolicy
        | ErrorKind::MethodNotAllowed
        | ErrorKind::RequestTooLarge
        | ErrorKind::UnsupportedMediaType
        | ErrorKind::HeaderFieldsTooLarge
        | ErrorKind::TargetTooLong => "INVALID_ARGUMENT",
    }
}

/// What a 429 says, in words alone, of an account that has nothing left to pay with.
const SPENT: [&[u8]; 2] = [b"prepayment credits are depleted", b"spending cap"];

/// An invalid key is a 400 here, and a limit says in its details whether it is the day's.
pub(super) fn classify(status: u16, body: Option<&[u8]>) -> Option<Class> {
    let body = body?;
    match status {
        400 if has_reason(body, "API_KEY_INVALID") => Some(Class::CredentialsRefused),
        429 => {
            let is_spent = SPENT.iter().any(|words| memchr::memmem::find(body, words).is_some());
            let of_time = if is_daily(body) { Quota::Day } else { Quota::Window };
            let quota = if is_spent { Quota::Spent } else { of_time };
            Some(Class::RateLimited { retry_after_ms: retry_delay_ms(body), quota })
        }
        _ => None,
    }
}

/// `RetryInfo.retryDelay`.
pub(super) fn retry_delay_ms(body: &[u8]) -> Option<u64> {
    find_detail(body, |name, value| {
        (name == b"retryDelay").then(|| string(value)).flatten().and_then(|delay| wait::duration_ms(&delay))
    })
}

fn has_reason(body: &[u8], reason: &str) -> bool {
    find_detail(body, |name, value| (name == b"reason" && string(value)? == reason).then_some(())).is_some()
}

/// Whether a quota by the day was exceeded: `GenerateRequestsPerDayPerProjectPerModel`.
fn is_daily(body: &[u8]) -> bool {
    find_detail(body, |name, value| {
        (name == b"violations" && memchr::memmem::find(value, b"PerDay").is_some()).then_some(())
    })
    .is_some()
}

/// Looks at every member of every object in `error.details`. The whole may stand in an array, as it does on the
/// stream's path without `alt=sse`.
fn find_detail<T>(body: &[u8], mut look: impl FnMut(&[u8], &[u8]) -> Option<T>) -> Option<T> {
    let whole = match Elements::at(body, 0, 0) {
        Some(mut list) => body.get(list.next()?.ok()?)?,
        None => body,
    };
    let error = member(whole, b"error")?;
    let details = member(error, b"details")?;
    Elements::at(details, 0, 0)?.flatten().filter_map(|range| details.get(range)).find_map(|detail| {
        Members::of(detail)?.flatten().find_map(|found| look(&found.key, detail.get(found.value.clone())?))
    })
}

fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let found = Members::of(object)?.flatten().filter(|member| *member.key == *name).last()?;
    object.get(found.value)
}

/// Said in words alone.
pub(super) fn fault(error: &ProviderError) -> Fault {
    let too_long = Signs { codes: &[], words: &["exceeds the maximum number of tokens"] };
    let refused = Signs { codes: &[], words: &["prohibited content", "safety settings", "blocked by safety"] };
    Fault::told(error, too_long, refused)
}
