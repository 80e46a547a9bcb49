//! The one place that picks status and body of what Tollgate itself says, in the caller's dialect.

pub(crate) mod names;
pub(crate) mod rate_limits;
mod refusal;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::{ErrorType, http::ResponseHeader, protocols::http::ServerSession};
use tollgate_dialect::{
    Protocol,
    error::{self, ErrorBody},
};

pub(crate) use self::refusal::Refusal;
use crate::{gateway::Recording, limits::Ledger};

/// Room for the gateway's own headers in an answer.
pub(crate) const OWN_HEADERS: usize = 16;
/// Official clients wait at most so long before they try again by themselves.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

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
