//! The header of what goes upstream: the caller's by allow-list where the bytes are left alone, the gateway's own where
//! the request is written anew.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts, uri::PathAndQuery};
use pingora::{ErrorType, http::RequestHeader, protocols::http::ServerSession};
use tollgate_dialect::{Protocol, headers};

use super::attempt::Context;
use crate::translate::Outgoing;

/// What the upstream sees of who calls: the gateway, never the caller.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
/// The version of Anthropic's protocol in which the gateway writes requests itself.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Of the gateway's own headers of a request.
const OWN_HEADERS: usize = 8;

static ANTHROPIC_VERSION_NAME: HeaderName = HeaderName::from_static("anthropic-version");

pub(super) fn request_header(
    context: &Context<'_, '_>,
    outgoing: &Outgoing,
    session: &ServerSession,
    http2: bool,
) -> pingora::Result<Box<RequestHeader>> {
    let (inquiry, candidate) = (context.translator.inquiry(), &context.candidate);
    let client = &session.req_header().headers;
    let mut headers = HeaderMap::with_capacity(client.len() + OWN_HEADERS);
    if !http2 {
        headers.insert(header::HOST, candidate.pool.provider.base.authority.clone());
    }
    match &outgoing.translation {
        // One that was written anew in its own protocol is still the caller's.
        Some(_) if inquiry.protocol() != outgoing.protocol => {
            own_headers(&mut headers, outgoing.protocol, inquiry.stream());
        }
        Some(_) | None => callers_headers(&mut headers, client, outgoing.protocol),
    }
    headers.insert(&candidate.key.credential_header, candidate.key.credential.clone());
    headers.insert(header::USER_AGENT, USER_AGENT);
    // Usage is read from the answer as it passes.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !outgoing.body.is_empty() || inquiry.method() == Method::POST {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(outgoing.body.len()));
    }
    parts(context, outgoing, http2, headers).map(|parts| Box::new(parts.into()))
}

/// Built at once, because Pingora's own way to add a header reads its name anew each time.
fn parts(context: &Context<'_, '_>, outgoing: &Outgoing, http2: bool, headers: HeaderMap) -> pingora::Result<Parts> {
    let malformed = |_| pingora::Error::new(ErrorType::InvalidHTTPHeader);
    let target = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(outgoing.target.as_bytes()));
    let target = target.map_err(malformed)?;
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = context.translator.inquiry().method().clone();
    parts.uri = if http2 {
        parts.version = Version::HTTP_2;
        let authority = context.candidate.pool.provider.base.authority.to_str().unwrap_or_default();
        format!("https://{authority}{target}").parse().map_err(malformed)?
    } else {
        target.into()
    };
    parts.headers = headers;
    Ok(parts)
}

fn callers_headers(headers: &mut HeaderMap, client: &HeaderMap, protocol: Protocol) {
    for (name, value) in client {
        if headers::request_allowed(protocol, name.as_str()) {
            headers.append(name, value.clone());
        }
    }
}

/// Of a request that the gateway wrote itself: what the caller's headers say is about another protocol.
fn own_headers(headers: &mut HeaderMap, protocol: Protocol, stream: bool) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    if protocol == Protocol::Anthropic {
        headers.insert(&ANTHROPIC_VERSION_NAME, ANTHROPIC_VERSION);
    }
}
