//! The one place that picks status and body of what Tollgate itself says, in the caller's dialect.

pub(crate) mod names;
pub(crate) mod rate_limits;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::{ErrorType, http::ResponseHeader, protocols::http::ServerSession};
use tollgate_dialect::{
    Protocol,
    endpoint::Unrecognised,
    error::{self, ErrorBody, ErrorKind},
    translate::Rejected,
};

use crate::{
    gateway::Recording,
    limits::{Dimension, Ledger, Scope},
};

/// Room for the gateway's own headers in an answer.
pub(crate) const OWN_HEADERS: usize = 16;
/// Official clients wait at most so long before they try again by themselves.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// Why a request is not served, as the caller is told. The text never holds a cause from inside.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    message: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
    /// Waiting helps, and how long.
    retry_after: Option<Duration>,
    /// The methods that a path takes, when the request's is not among them.
    allow: Option<String>,
    /// Trying again is of no use, whatever the kind usually means.
    hopeless: bool,
    closes_connection: bool,
}

impl Refusal {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            allow: None,
            hopeless: false,
            closes_connection: false,
        }
    }

    fn about(mut self, param: &'static str) -> Self {
        self.param = Some(Cow::Borrowed(param));
        self
    }

    /// The same for a name that the caller wrote.
    fn about_member(self, param: &str) -> Self {
        Self { param: Some(Cow::Owned(printable(param, 200))), ..self }
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The connection is not to be used again.
    pub(crate) fn closing(mut self) -> Self {
        self.closes_connection = true;
        self
    }

    pub(crate) const fn closes_connection(&self) -> bool {
        self.closes_connection
    }

    #[cfg(test)]
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn unrecognised(unrecognised: &Unrecognised) -> Self {
        let refusal = Self::new(unrecognised.kind(), format!("{unrecognised}."));
        match unrecognised {
            Unrecognised::MethodNotAllowed { allowed, .. } => Self { allow: Some(allowed.header_value()), ..refusal },
            Unrecognised::BadPath { .. } | Unrecognised::UnknownPath { .. } => refusal,
        }
    }

    pub(crate) fn missing_access_key() -> Self {
        let message =
            "No access key was presented. Send it as `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.";
        Self::new(ErrorKind::MissingCredential, message)
    }

    pub(crate) fn invalid_access_key() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access key is not valid.")
    }

    pub(crate) fn revoked_access_key() -> Self {
        Self::new(ErrorKind::RevokedCredential, "The access key was revoked.")
    }

    pub(crate) fn disabled_user() -> Self {
        Self::new(ErrorKind::RevokedCredential, "The user whom the access key belongs to is disabled.")
    }

    pub(crate) fn expired_access_key() -> Self {
        Self::new(ErrorKind::ExpiredCredential, "The access key has expired.")
    }

    pub(crate) fn invalid_access_token() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access token is not valid.")
    }

    pub(crate) fn early_access_token() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access token is not valid yet.")
    }

    pub(crate) fn expired_access_token() -> Self {
        Self::new(ErrorKind::ExpiredCredential, "The access token has expired.")
    }

    /// Said in the place of "not valid": the same key will not do a moment later either.
    pub(crate) fn too_many_bad_keys(wait: Duration) -> Self {
        let message = "Too many invalid access keys came from your address.";
        Self { hopeless: true, ..Self::new(ErrorKind::RateLimited, message).after(wait) }
    }

    pub(crate) fn access_token_unverified(wait: Duration) -> Self {
        let message = "Too many invalid access keys came from your address, so this new token was not looked at yet.";
        Self::new(ErrorKind::RateLimited, message).after(wait)
    }

    pub(crate) fn address_too_fast(wait: Duration) -> Self {
        Self::new(ErrorKind::RateLimited, "Too many requests came from your address.").after(wait)
    }

    pub(crate) fn address_too_many_connections() -> Self {
        let message = "Too many connections are open from your address.";
        Self::new(ErrorKind::RateLimited, message).after(Duration::from_secs(1))
    }

    pub(crate) fn memory_short() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway is short of memory.").after(Duration::from_secs(1))
    }

    pub(crate) fn nonces_full() -> Self {
        let message = "The gateway cannot take more signed requests at present.";
        Self::new(ErrorKind::Overloaded, message).after(Duration::from_secs(5))
    }

    pub(crate) fn service_disabled() -> Self {
        Self::new(ErrorKind::PermissionDenied, "The service of this access key is disabled.")
    }

    pub(crate) fn address_not_allowed() -> Self {
        Self::new(ErrorKind::PermissionDenied, "This access key may not be used from your address.")
    }

    pub(crate) fn not_ready() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway has no configuration yet.").after(Duration::from_secs(1))
    }

    pub(crate) fn too_many_requests_in_flight() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway is busy.").after(Duration::from_secs(1))
    }

    /// Says whose limit and which, and nothing of who the scope is.
    pub(crate) fn limit_reached(scope: Scope, dimension: Dimension, wait: Duration) -> Self {
        let message = format!("The {scope}'s limit on {dimension} is reached.");
        Self::new(ErrorKind::RateLimited, message).after(wait)
    }

    pub(crate) fn journal_full() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway cannot record usage at present.").after(Duration::from_secs(5))
    }

    pub(crate) fn model_missing() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request names no model.").about("model")
    }

    pub(crate) fn model_not_found(model: &str) -> Self {
        let message =
            format!("The model `{}` does not exist or is not offered to this access key.", printable(model, 100));
        Self::new(ErrorKind::ModelNotFound, message).about("model")
    }

    pub(crate) fn batch_not_allowed() -> Self {
        let message = "This access key is limited to some models, and what a batch file names cannot be checked.";
        Self::new(ErrorKind::PermissionDenied, message)
    }

    /// Its tag is of another service, or was changed.
    pub(crate) fn stored_object_not_found(field: &str) -> Self {
        let message = format!("There is no stored object of the id in `{field}`.", field = printable(field, 100));
        Self::new(ErrorKind::NotFound, message).about_member(field)
    }

    pub(crate) fn several_upstream_keys(first: &str, field: &str) -> Self {
        let (first, shown) = (printable(first, 100), printable(field, 100));
        let message = format!(
            "The objects in `{first}` and `{shown}` belong to different upstream keys: no provider's account has both."
        );
        Self::new(ErrorKind::InvalidRequest, message).about_member(field)
    }

    pub(crate) fn upstream_key_gone(field: &str) -> Self {
        let message = format!(
            "The stored object in `{field}` belongs to an upstream key that is gone, or no longer in use here.",
            field = printable(field, 100)
        );
        Self::new(ErrorKind::UpstreamKeyGone, message).about_member(field)
    }

    pub(crate) fn stored_elsewhere(field: &str) -> Self {
        let message = format!(
            "The stored object in `{field}` is at a provider that does not serve this request.",
            field = printable(field, 100)
        );
        Self::new(ErrorKind::InvalidRequest, message).about_member(field)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(ErrorKind::NotFound, "The service of this access key has no route for this request.")
    }

    pub(crate) fn other_protocol(protocol: Protocol) -> Self {
        let message = format!("No target of this model speaks the {} protocol.", protocol.as_str());
        Self::new(ErrorKind::InvalidRequest, message).about("model")
    }

    /// No target's protocol can say what the request says.
    pub(crate) fn rejected(rejected: &Rejected) -> Self {
        let refusal = Self::new(ErrorKind::InvalidRequest, format!("{}.", printable(&rejected.message, 400)));
        let param = (!rejected.param.is_empty()).then(|| Cow::Owned(printable(&rejected.param, 200)));
        Self { param, ..refusal }
    }

    pub(crate) fn no_upstream_key() -> Self {
        let message = "No enabled upstream key can serve this request.";
        Self::new(ErrorKind::UpstreamUnavailable, message)
    }

    pub(crate) fn malformed_body(what: &dyn std::fmt::Display) -> Self {
        Self::new(ErrorKind::MalformedBody, format!("The request body is not valid: {what}."))
    }

    pub(crate) fn malformed_framing() -> Self {
        Self::new(ErrorKind::MalformedBody, "The request body's chunks are not valid.")
    }

    pub(crate) fn mistyped(field: &'static str) -> Self {
        Self::new(ErrorKind::InvalidRequest, format!("`{field}` has the wrong type.")).about(field)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        Self::new(ErrorKind::RequestTooLarge, message)
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::new(ErrorKind::RequestTimeout, "The request body did not arrive in time.")
    }

    pub(crate) fn invalid_request_timeout(header: &'static str) -> Self {
        let message = format!("`{header}` must be seconds (`30`, `2.5`) or milliseconds (`500ms`), once, above 0.");
        Self::new(ErrorKind::InvalidRequest, message).about(header)
    }

    /// `of`: `service`, `user` or `access_key`, as the next ones.
    pub(crate) fn budget_spent(of: &str) -> Self {
        let message = format!("The budget of this {} is spent, or does not cover this request.", named(of));
        Self::new(ErrorKind::InsufficientQuota, message)
    }

    pub(crate) fn budget_busy(of: &str) -> Self {
        let message = format!("The budget of this {} takes one request at a time.", named(of));
        Self::new(ErrorKind::Overloaded, message).after(Duration::from_secs(1))
    }

    pub(crate) fn budget_unknown(of: &str) -> Self {
        let message = format!("What is left of the budget of this {} is not known at present.", named(of));
        Self::new(ErrorKind::Overloaded, message).after(Duration::from_secs(1))
    }

    pub(crate) fn price_missing(model: &str, provider: &str) -> Self {
        let (model, provider) = (printable(model, 100), printable(provider, 100));
        let message =
            format!("The model `{model}` of `{provider}` has no price, so that a hard budget cannot be kept.");
        Self::new(ErrorKind::PriceMissing, message).about("model")
    }

    pub(crate) fn background_under_budget() -> Self {
        let message = "What a response in the background costs is not told here, so a hard budget allows none.";
        Self::new(ErrorKind::PermissionDenied, message).about("background")
    }

    pub(crate) fn batch_under_budget() -> Self {
        let message = "What a batch costs is not known before it is made, so a hard budget allows none.";
        Self::new(ErrorKind::PermissionDenied, message)
    }

    pub(crate) fn media_type(expected: &'static str) -> Self {
        let message = format!("The content type of this request must be {expected}.");
        Self::new(ErrorKind::UnsupportedMediaType, message).about("content-type")
    }

    pub(crate) fn header_too_large() -> Self {
        Self::new(ErrorKind::HeaderFieldsTooLarge, "The request's header fields are too many or too large.")
    }

    pub(crate) fn target_too_long() -> Self {
        Self::new(ErrorKind::TargetTooLong, "The request's target is too long.")
    }

    pub(crate) fn host_missing() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request does not say in `host` whom it is for.")
            .about("host")
            .closing()
    }

    pub(crate) fn malformed_host() -> Self {
        let message = "`host` must be one name or address, with a port or without.";
        Self::new(ErrorKind::InvalidRequest, message).about("host").closing()
    }

    pub(crate) fn other_scheme() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request's target is neither `http` nor `https`.").closing()
    }

    pub(crate) fn malformed_transfer_encoding() -> Self {
        let message = "`transfer-encoding` must be `chunked`, once.";
        Self::new(ErrorKind::InvalidRequest, message).about("transfer-encoding").closing()
    }

    pub(crate) fn transfer_coding_unsupported() -> Self {
        let message = "The only transfer coding that is understood here is `chunked`.";
        Self::new(ErrorKind::TransferCodingUnsupported, message).about("transfer-encoding").closing()
    }

    pub(crate) fn malformed_head() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request is not valid HTTP.")
    }

    pub(crate) fn head_too_slow() -> Self {
        Self::new(ErrorKind::RequestTimeout, "The request's header fields did not arrive in time.")
    }
}

fn named(scope: &str) -> &str {
    if scope == "access_key" { "access key" } else { scope }
}

/// What a caller wrote, safe to show it again: no control characters, and not at length.
fn printable(text: &str, limit: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(limit).collect()
}

/// Built from a map, because Pingora's own way to add a header reads its name anew each time.
pub(crate) fn response_header(status: u16, headers: HeaderMap) -> pingora::Result<Box<ResponseHeader>> {
    let mut parts = http::Response::new(()).into_parts().0;
    parts.status = StatusCode::from_u16(status).map_err(|_| pingora::Error::new(ErrorType::InvalidHTTPHeader))?;
    parts.headers = headers;
    Ok(Box::new(parts.into()))
}

pub(crate) fn header_value(text: &str) -> pingora::Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| pingora::Error::new(ErrorType::InvalidHTTPHeader))
}

/// Names the request, also where the libraries of the caller's protocol look for its name, unless the provider's stands
/// there.
pub(crate) fn insert_request_id(headers: &mut HeaderMap, protocol: Protocol, id: &str) -> pingora::Result<()> {
    let id = header_value(id)?;
    if protocol == Protocol::Anthropic {
        headers.entry(&names::ANTHROPIC_REQUEST_ID).or_insert_with(|| id.clone());
    }
    headers.insert(&names::REQUEST_ID, id);
    Ok(())
}

/// Sends an answer whose body is known as a whole and is no upstream's.
pub(crate) async fn send(
    session: &mut ServerSession,
    protocol: Protocol,
    status: u16,
    content_type: Option<HeaderValue>,
    body: Bytes,
    recording: &Recording<'_>,
    shows_attempts: bool,
) -> pingora::Result<()> {
    let mut headers = HeaderMap::with_capacity(OWN_HEADERS);
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    insert_request_id(&mut headers, protocol, recording.request_id())?;
    rate_limits::insert(&mut headers, recording.ledger_ref());
    if shows_attempts {
        headers.insert(&names::ATTEMPTS, HeaderValue::from(recording.attempt_count()));
    }
    session.write_response_header(response_header(status, headers)?).await?;
    session.write_response_body(body, true).await
}

/// Sends an answer for which nobody had to be asked: it costs nothing.
pub(crate) async fn answer(
    session: &mut ServerSession,
    protocol: Protocol,
    body: Bytes,
    recording: &mut Recording<'_>,
) -> pingora::Result<()> {
    let content_type = HeaderValue::from_static("application/json");
    let written = send(session, protocol, 200, Some(content_type), body, recording, false).await;
    recording.answered(200);
    written
}

/// Sends a refusal. `request_id` also goes into the body where the dialect has a place for it. Returns the status.
pub(crate) async fn refuse(
    session: &mut ServerSession,
    protocol: Protocol,
    refusal: &Refusal,
    request_id: &str,
    ledger: Option<&Ledger<'_>>,
) -> pingora::Result<u16> {
    let retry_after_ms = refusal.retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
    let body = ErrorBody {
        kind: refusal.kind,
        message: &refusal.message,
        param: refusal.param.as_deref(),
        request_id,
        retry_after_ms,
    };
    let (status, content_type, body) = error::render(protocol, &body);
    let mut headers = HeaderMap::with_capacity(OWN_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    insert_request_id(&mut headers, protocol, request_id)?;
    if let Some(wait) = refusal.retry_after {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(header::RETRY_AFTER, millis.div_ceil(1_000).into());
        headers.insert("retry-after-ms", millis.into());
    }
    if let Some(ledger) = ledger {
        rate_limits::insert(&mut headers, ledger);
    }
    if let Some(allow) = &refusal.allow {
        headers.insert(header::ALLOW, header_value(allow)?);
    }
    let soon = refusal.retry_after.is_none_or(|wait| wait <= LONGEST_RETRY);
    if refusal.hopeless || !refusal.kind.retry_helps() || !soon {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    session.write_response_header(response_header(status, headers)?).await?;
    // On HTTP/1 Pingora leaves the body out by itself; a head that could not be read has no method.
    let bodiless = session.as_http2().is_some_and(|session| session.req_header().method == Method::HEAD);
    session.write_response_body(if bodiless { Bytes::new() } else { body.into() }, true).await?;
    Ok(status)
}
