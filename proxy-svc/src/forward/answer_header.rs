//! The header of an answer as the client gets it: what the provider's says by allow-list, and the gateway's own.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora::{http::ResponseHeader, protocols::http::ServerSession};
use tollgate_dialect::headers;

use super::{
    attempt::{Answer, Context},
    prelude::Held,
};
use crate::{
    gateway::Recording,
    report::CacheUse,
    respond::{self, names},
    snapshot::Service,
};

/// Of a provider's headers seldom more go on.
const PROVIDERS_HEADERS: usize = 8;

pub(super) fn answer_header(
    context: &Context<'_, '_>,
    session: &ServerSession,
    service: &Service,
    answer: &Answer<'_>,
    recording: &Recording<'_>,
) -> pingora::Result<Box<ResponseHeader>> {
    let Some(received) = answer.upstream.session.response_header() else {
        return Err(pingora::Error::new(pingora::ErrorType::InvalidHTTPHeader));
    };
    let protocol = context.translator.inquiry().protocol();
    let mut headers = HeaderMap::with_capacity(respond::OWN_HEADERS + PROVIDERS_HEADERS);
    if let Some(content_type) = answer.content_type {
        // The other headers of a translated answer are about another protocol.
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    } else {
        for (name, value) in &received.headers {
            if headers::response_allowed(protocol, name.as_str()) && !service.hidden_headers.contains(name) {
                headers.append(name, value.clone());
            }
        }
    }
    match length(answer, received) {
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, length);
        }
        None if session.req_header().version == Version::HTTP_11 && has_body(received) => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        None => {}
    }
    respond::rate_limits::insert(&mut headers, recording.ledger_ref());
    respond::insert_request_id(&mut headers, protocol, recording.request_id())?;
    insert_told(&mut headers, context, service, answer, recording);
    respond::response_header(answer.status, headers)
}

fn length(answer: &Answer<'_>, received: &ResponseHeader) -> Option<HeaderValue> {
    match &answer.held {
        Held::Whole(body) if has_body(received) => Some(HeaderValue::from(body.len())),
        Held::Begun(_) if !answer.passage.changes_length() => received.headers.get(header::CONTENT_LENGTH).cloned(),
        Held::Whole(_) | Held::Begun(_) => None,
    }
}

fn has_body(header: &ResponseHeader) -> bool {
    !matches!(header.status.as_u16(), 204 | 304)
}

/// What became of the request on its way, as far as its service shows it.
fn insert_told(
    headers: &mut HeaderMap,
    context: &Context<'_, '_>,
    service: &Service,
    answer: &Answer<'_>,
    recording: &Recording<'_>,
) {
    let mut insert = |name: &'static HeaderName, value: Option<HeaderValue>| {
        if let Some(value) = value
            && !service.hidden_headers.contains(name)
        {
            headers.insert(name, value);
        }
    };
    insert(&names::ADAPTED, answer.adapted.as_ref().and_then(|adapted| HeaderValue::from_str(adapted).ok()));
    insert(&names::ATTEMPTS, Some(HeaderValue::from(recording.attempt_count())));
    insert(&names::CACHE, recording.cache_use().map(|cache| HeaderValue::from_static(cache_mark(cache))));
    // People name providers in their own language: such bytes pass as they are.
    insert(&names::PROVIDER, HeaderValue::from_bytes(context.candidate.pool.provider.name.as_bytes()).ok());
    let inquiry = context.translator.inquiry();
    let model = context.candidate.model.or(inquiry.model());
    insert(&names::MODEL, model.and_then(|model| HeaderValue::from_bytes(model.as_bytes()).ok()));
    // All of it is here, so what it used is known; of a stream that is too late for a header.
    if let Held::Whole(_) = &answer.held
        && !inquiry.stream()
        && let Some(cost) = answer.passage.usage().and_then(|usage| recording.cost_of(&usage))
    {
        insert(&names::COST, HeaderValue::try_from(cost.amount.to_string()).ok());
    }
}

const fn cache_mark(cache: CacheUse) -> &'static str {
    match cache {
        CacheUse::Miss => "miss",
        CacheUse::Hit => "hit",
        CacheUse::Bypass => "bypass",
    }
}
