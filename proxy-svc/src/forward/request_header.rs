//! The header of what goes upstream: the caller's by allow-list where the bytes are left alone, the gateway's own where
//! the request is written anew.

use http::{HeaderMap, HeaderValue, Method, Version, header};
use pingora::{ErrorType, http::RequestHeader, protocols::http::ServerSession};
use tollgate_dialect::{Protocol, headers};

use super::attempt::Context;
use crate::translate::Outgoing;

/// What the upstream sees of who calls: the gateway, never the caller.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
/// The version of Anthropic's protocol in which the gateway writes requests itself.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

pub(super) fn request_header(
    context: &Context<'_, '_>,
    outgoing: &Outgoing,
    session: &ServerSession,
    http2: bool,
) -> pingora::Result<Box<RequestHeader>> {
    let (inquiry, candidate) = (context.translator.inquiry(), &context.candidate);
    let base = &candidate.pool.provider.base;
    let client = &session.req_header().headers;
    let (method, target) = (inquiry.method(), &outgoing.target);
    let mut header = RequestHeader::build_no_case(method.clone(), target.as_bytes(), Some(client.len() + 4))?;
    if http2 {
        let authority = base.authority.to_str().unwrap_or_default();
        let uri = format!("https://{authority}{target}").parse::<http::Uri>();
        header.set_uri(uri.map_err(|_| pingora::Error::new(ErrorType::InvalidHTTPHeader))?);
        header.set_version(Version::HTTP_2);
    } else {
        header.insert_header(header::HOST, base.authority.clone())?;
    }
    match &outgoing.translation {
        // One that was written anew in its own protocol is still the caller's.
        Some(_) if inquiry.protocol() != outgoing.protocol => {
            own_headers(&mut header, outgoing.protocol, inquiry.stream())?;
        }
        Some(_) | None => callers_headers(&mut header, client, outgoing.protocol)?,
    }
    header.insert_header(candidate.key.credential_header.clone(), candidate.key.credential.clone())?;
    header.insert_header(header::USER_AGENT, USER_AGENT)?;
    // Usage is read from the answer as it passes.
    header.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    if !outgoing.body.is_empty() || *method == Method::POST {
        header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(outgoing.body.len()))?;
    }
    Ok(Box::new(header))
}

fn callers_headers(header: &mut RequestHeader, client: &HeaderMap, protocol: Protocol) -> pingora::Result<()> {
    for (name, value) in client {
        if headers::request_allowed(protocol, name.as_str()) {
            header.append_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// Of a request that the gateway wrote itself: what the caller's headers say is about another protocol.
fn own_headers(header: &mut RequestHeader, protocol: Protocol, stream: bool) -> pingora::Result<()> {
    header.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    let accept = if stream { "text/event-stream" } else { "application/json" };
    header.insert_header(header::ACCEPT, HeaderValue::from_static(accept))?;
    if protocol == Protocol::Anthropic {
        header.insert_header("anthropic-version", ANTHROPIC_VERSION)?;
    }
    Ok(())
}
