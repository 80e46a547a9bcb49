//! Whether an answer goes to the client, or another candidate takes over.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use pingora::{
    prelude::timeout,
    protocols::http::{ServerSession, client::HttpSession},
};
use tollgate_dialect::{Protocol, classify, translate};
use tollgate_shared::clock::UnixMicros;

use super::{
    attempt::{Answer, Context, close},
    conceal::without_key,
    failure::{Failure, Told},
    prelude::{self, Held, Prelude},
    upstream::Opened,
};
use crate::{
    gateway::Recording,
    meter::{Meter, Observation},
    translate::{Outgoing, Passage},
};

/// An upstream's error is read this far, to find out whose fault it is and to pass it on.
const ERROR_BODY_BYTES: usize = 256 * 1024;

/// An answer's way to the client, before it is known whether it goes there.
pub(super) struct Way<'a> {
    passage: Passage<'a>,
    adapted: Option<String>,
    /// The upstream's.
    protocol: Protocol,
    is_translated: bool,
}

impl<'a> Way<'a> {
    /// Of the answer whose header has come.
    pub(super) fn of(
        context: &Context<'_, 'a>,
        outgoing: Outgoing,
        upstream: &HttpSession,
        recording: &Recording<'_>,
        started_at: UnixMicros,
    ) -> Self {
        let inquiry = context.translator.inquiry();
        let meter = Meter::for_answer(inquiry, outgoing.protocol, outgoing.operation, upstream.response_header());
        let adapted = outgoing.translation.as_ref().and_then(|translation| translation.adapted.clone());
        let created = u64::try_from(started_at / 1_000_000).unwrap_or(0);
        let (protocol, is_translated) = (outgoing.protocol, outgoing.translation.is_some());
        let passage = context.translator.passage(outgoing, meter, recording.request_id(), created);
        Self { passage, adapted, protocol, is_translated }
    }
}

pub(super) enum Judged<'a> {
    Answer(Answer<'a>),
    Failed(Failure, Option<u16>, Option<Told>),
    /// With what was told until then.
    ClientLeft(Observation),
}

/// Decides whether an answer is passed on.
pub(super) async fn judge<'a>(
    context: &Context<'_, 'a>,
    session: &mut ServerSession,
    mut upstream: Box<Opened>,
    way: Way<'a>,
    begun: Instant,
    request_id: &str,
) -> Judged<'a> {
    let status = upstream.session.response_header().map_or(0, |header| header.status.as_u16());
    if !(200..300).contains(&status) {
        return Box::pin(judge_error(context, upstream, way, status, request_id)).await;
    }
    let Way { mut passage, adapted, .. } = way;
    let until = (begun + context.limits.first_byte).min(context.deadline).into();
    match prelude::read(context, session, &mut upstream.session, &mut passage, until).await {
        Prelude::Committed(held) => {
            let content_type = passage.content_type();
            Judged::Answer(Answer { upstream, status, content_type, passage, held, adapted })
        }
        Prelude::Failed(failure) => {
            close(&mut upstream.session).await;
            Judged::Failed(failure, Some(status), None)
        }
        Prelude::Blocked(body) => {
            let content_type = content_type(passage.content_type(), &upstream.session);
            context.forwarder.upstreams.release(upstream).await;
            let told = Told { status, content_type, body, usage: passage.finish().usage };
            Judged::Failed(Failure::ContentPolicy, Some(status), Some(told))
        }
        Prelude::ClientLeft => {
            close(&mut upstream.session).await;
            Judged::ClientLeft(passage.finish().usage)
        }
    }
}

/// An error's body is read, up to a bound, to find out whose fault it is.
async fn judge_error<'a>(
    context: &Context<'_, 'a>,
    mut upstream: Box<Opened>,
    way: Way<'a>,
    status: u16,
    request_id: &str,
) -> Judged<'a> {
    let read = timeout(context.at_most(context.limits.idle), error_body(&mut upstream.session)).await;
    let (body, whole) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => (Bytes::new(), false),
    };
    let class = {
        let header = upstream.session.response_header();
        let lookup =
            |name: &str| header.and_then(|header| header.headers.get(name)).and_then(|value| value.to_str().ok());
        classify::response(way.protocol, status, &lookup, Some(&body))
    };
    if let Some(failure) = Failure::of(class) {
        if whole {
            context.forwarder.upstreams.release(upstream).await;
        } else {
            close(&mut upstream.session).await;
        }
        return Judged::Failed(failure, Some(status), None);
    }
    if !whole {
        // Its end is missing, so it cannot be passed on as it is.
        close(&mut upstream.session).await;
        return Judged::Failed(Failure::ConnectionLost, Some(status), None);
    }
    let body = without_key(body, &context.candidate.key.credential);
    let fault = Failure::of_fault(classify::fault(way.protocol, status, &body), context.fallback_on);
    let caller = context.translator.inquiry().protocol();
    let (told_status, content_type, body) = if way.is_translated {
        let (status, content_type, body) = translate::write_error(way.protocol, caller, status, &body, request_id);
        (status, Some(content_type), body.into())
    } else {
        (status, None, body)
    };
    let Some(failure) = fault else {
        let Way { passage, adapted, .. } = way;
        let (status, held) = (told_status, Held::Whole(body));
        return Judged::Answer(Answer { upstream, status, content_type, passage, held, adapted });
    };
    let content_type = self::content_type(content_type, &upstream.session);
    context.forwarder.upstreams.release(upstream).await;
    let told = Told { status: told_status, content_type, body, usage: Observation::Free };
    Judged::Failed(failure, Some(status), Some(told))
}

/// The caller's: that of a translated answer, or the upstream's.
fn content_type(translated: Option<&'static str>, upstream: &HttpSession) -> Option<HeaderValue> {
    let received = || upstream.response_header().and_then(|header| header.headers.get(header::CONTENT_TYPE)).cloned();
    translated.map(HeaderValue::from_static).or_else(received)
}

/// The body, and whether it is all of it.
async fn error_body(upstream: &mut HttpSession) -> pingora::Result<(Bytes, bool)> {
    let mut body = BytesMut::new();
    while let Some(chunk) = upstream.read_response_body().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY_BYTES {
            return Ok((body.freeze(), false));
        }
    }
    Ok((body.freeze(), true))
}
