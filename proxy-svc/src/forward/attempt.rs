//! One try against one upstream key: connect, send, and wait for an answer that can be passed on.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Version, header};
use pingora::{
    ErrorType,
    http::RequestHeader,
    prelude::timeout,
    protocols::http::{ServerSession, client::HttpSession},
};
use tollgate_dialect::{Protocol, classify, headers, translate};
use tollgate_shared::clock::UnixMicros;

use super::{
    Forwarder, Limits,
    conceal::without_key,
    failure::{Failure, Told},
    prelude::{self, Held, Prelude},
    upstream::{Destination, Opened},
};
use crate::{
    gateway::Recording,
    meter::Meter,
    report::{Attempt, AttemptOutcome},
    route::Candidate,
    snapshot::FallbackOn,
    translate::{Outgoing, Passage, Translator},
};

/// An upstream's error is read this far, to find out whose fault it is and to pass it on.
const ERROR_BODY_BYTES: usize = 256 * 1024;
/// For the last bytes to an upstream that is given up.
const CLOSE: Duration = Duration::from_millis(100);
/// What the upstream sees of who calls: the gateway, never the caller.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));

/// The version of Anthropic's protocol in which the gateway writes requests itself.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// What an attempt needs to know.
#[derive(Clone, Copy)]
pub(super) struct Context<'c, 't> {
    pub(super) forwarder: &'c Forwarder,
    pub(super) translator: &'t Translator<'t>,
    pub(super) candidate: Candidate<'c>,
    pub(super) limits: Limits,
    /// When the whole request must be over.
    pub(super) deadline: Instant,
    pub(super) fallback_on: FallbackOn,
}

/// How an attempt ended, as far as the commit point.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives on the stack")]
pub(super) enum Sent<'a> {
    Answer(Answer<'a>),
    /// With what the caller may be told of it, should nobody do better.
    Failed(Failure, Option<Told>),
    ClientLeft,
}

/// An answer that is worth passing on: its header is in the session.
pub(super) struct Answer<'a> {
    pub(super) upstream: HttpSession,
    pub(super) destination: Destination,
    /// For the client.
    pub(super) status: u16,
    /// For the client, where it is not the upstream's header that it gets.
    pub(super) content_type: Option<&'static str>,
    pub(super) passage: Passage<'a>,
    pub(super) held: Held,
    /// What could not be said in the target's protocol as it was asked for.
    pub(super) adapted: Option<String>,
}

impl Context<'_, '_> {
    /// The next wait: `wanted`, but never past the request's deadline.
    pub(super) fn at_most(&self, wanted: Duration) -> Duration {
        wanted.min(self.deadline.saturating_duration_since(Instant::now())).max(Duration::from_millis(1))
    }
}

/// Makes the attempt, and puts it on record when it failed.
pub(super) async fn send<'a>(
    context: &Context<'_, 'a>,
    outgoing: Outgoing,
    session: &mut ServerSession,
    recording: &mut Recording<'_>,
) -> Sent<'a> {
    let (begun, started_at) = (Instant::now(), context.forwarder.clock.now());
    let mut tried = try_once(context, &outgoing, session, false).await;
    if matches!(tried, Tried::Stale) {
        // The upstream closed the connection while it was idle: as far as can be known, nobody looked at the request,
        // so this is still the same attempt.
        tried = try_once(context, &outgoing, session, true).await;
    }
    let judged = match tried {
        Tried::Header(upstream, destination) => {
            let passage = passage(context, outgoing, &upstream, recording, started_at);
            judge(context, session, upstream, destination, passage, begun, recording.request_id()).await
        }
        Tried::Failed(failure) => Judged::Failed(failure, None, None),
        Tried::Stale => Judged::Failed(Failure::ConnectionLost, None, None),
        Tried::ClientLeft => Judged::ClientLeft,
    };
    match judged {
        Judged::Answer(answer) => {
            let outcome = if answer.status < 400 { AttemptOutcome::Ok } else { AttemptOutcome::ClientError };
            recording.attempt(record(context, begun, started_at, Some(answer.status), outcome), false);
            Sent::Answer(answer)
        }
        Judged::Failed(failure, status, told) => {
            recording.attempt(record(context, begun, started_at, status, failure.outcome()), true);
            Sent::Failed(failure, told)
        }
        Judged::ClientLeft => {
            let outcome = AttemptOutcome::ClientClosed;
            recording.attempt(record(context, begun, started_at, None, outcome), false);
            Sent::ClientLeft
        }
    }
}

/// How the answer whose header has come goes on to the client.
fn passage<'a>(
    context: &Context<'_, 'a>,
    outgoing: Outgoing,
    upstream: &HttpSession,
    recording: &Recording<'_>,
    started_at: UnixMicros,
) -> Way<'a> {
    let inquiry = context.translator.inquiry();
    let meter = Meter::for_answer(inquiry, outgoing.protocol, outgoing.operation, upstream.response_header());
    let adapted = outgoing.translation.as_ref().and_then(|translation| translation.adapted.clone());
    let created = u64::try_from(started_at / 1_000_000).unwrap_or(0);
    let (protocol, is_translated) = (outgoing.protocol, outgoing.translation.is_some());
    let passage = context.translator.passage(outgoing, meter, recording.request_id(), created);
    Way { passage, adapted, protocol, is_translated }
}

/// An answer's way to the client, before it is known whether it goes there.
struct Way<'a> {
    passage: Passage<'a>,
    adapted: Option<String>,
    /// The upstream's.
    protocol: Protocol,
    is_translated: bool,
}

fn record(
    context: &Context<'_, '_>,
    begun: Instant,
    started_at: UnixMicros,
    status: Option<u16>,
    outcome: AttemptOutcome,
) -> Attempt {
    let model = context.candidate.model.or(context.translator.inquiry().model()).unwrap_or_default();
    Attempt {
        provider_id: context.candidate.pool.provider.id,
        upstream_key_id: context.candidate.key.id,
        model: model.into(),
        started_at,
        duration: begun.elapsed(),
        status,
        outcome,
        reason: Cow::Borrowed(context.candidate.reason),
    }
}

enum Tried {
    /// An answer's header has come.
    Header(HttpSession, Destination),
    Failed(Failure),
    /// A kept connection gave nothing at all.
    Stale,
    ClientLeft,
}

async fn try_once(context: &Context<'_, '_>, outgoing: &Outgoing, session: &mut ServerSession, fresh: bool) -> Tried {
    let provider = &context.candidate.pool.provider;
    let address = match context.forwarder.resolver.resolve(&provider.base).await {
        Ok(address) => address,
        Err(error) => {
            tracing::warn!(provider.id = %provider.id, %error, "upstream address");
            return Tried::Failed(Failure::ConnectFailed);
        }
    };
    let destination = Destination {
        address,
        server_name: provider.base.https.then(|| Arc::from(&*provider.base.host)),
        connect_timeout: context.at_most(context.limits.connect),
        group: if fresh { fastrand::u64(1..) } else { 0 },
    };
    let opened = match context.forwarder.upstreams.open(&destination, fresh).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::info!(provider.id = %provider.id, %address, %error, "upstream connection failed");
            return Tried::Failed(Failure::ConnectFailed);
        }
    };
    let Opened { session: mut upstream, reused } = opened;
    let exchanged = exchange(context, outgoing, session, &mut upstream).await;
    match exchanged {
        Ok(Exchanged::Header) => Tried::Header(upstream, destination),
        Ok(Exchanged::ClientLeft) => {
            close(&mut upstream).await;
            Tried::ClientLeft
        }
        Err(error) => {
            let untouched = reused && was_never_looked_at(&upstream, &error);
            close(&mut upstream).await;
            match error.etype() {
                ErrorType::ReadTimedout | ErrorType::WriteTimedout => Tried::Failed(Failure::TimedOut),
                _ if untouched && !fresh => Tried::Stale,
                _ => Tried::Failed(Failure::ConnectionLost),
            }
        }
    }
}

/// Whether a kept connection turned out to be closed already. An HTTP/2 connection that serves others says so by
/// itself: what goes wrong on one of its streams is about that request.
fn was_never_looked_at(upstream: &HttpSession, error: &pingora::Error) -> bool {
    matches!(upstream, HttpSession::H1(_))
        && upstream.response_header().is_none()
        && matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError)
}

/// Ends the connection, or the stream on it; an upstream that takes nothing any more is not waited for.
pub(super) async fn close(upstream: &mut HttpSession) {
    let _ = timeout(CLOSE, upstream.shutdown()).await;
}

enum Exchanged {
    Header,
    ClientLeft,
}

/// Sends the request and waits for the answer's header, or for the client to leave.
async fn exchange(
    context: &Context<'_, '_>,
    outgoing: &Outgoing,
    session: &mut ServerSession,
    upstream: &mut HttpSession,
) -> pingora::Result<Exchanged> {
    let body = outgoing.body.clone();
    let header = request_header(context, outgoing, session, matches!(upstream, HttpSession::H2(_)))?;
    upstream.set_write_timeout(Some(context.at_most(context.limits.idle)));
    upstream.write_request_header(header).await?;
    if !body.is_empty() {
        upstream.write_request_body(body, true).await?;
    }
    upstream.finish_request_body().await?;
    // For the whole header, however it drips; the session's own time-out would begin anew at every read.
    upstream.set_read_timeout(None);
    let patience = tokio::time::sleep(context.at_most(context.limits.first_byte));
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            read = upstream.read_response_header() => read?,
            () = client_left(session) => return Ok(Exchanged::ClientLeft),
            () = &mut patience => return Err(pingora::Error::new(ErrorType::ReadTimedout)),
        }
        let informational = upstream.response_header().is_some_and(|header| header.status.is_informational());
        if !informational {
            return Ok(Exchanged::Header);
        }
    }
}

/// Resolves when the client closes its side, or breaks off.
pub(super) async fn client_left(session: &mut ServerSession) {
    while let Ok(Some(_)) = session.read_body_or_idle(true).await {}
}

fn request_header(
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
        None => callers_headers(&mut header, client, outgoing.protocol)?,
        Some(_) => own_headers(&mut header, outgoing.protocol, inquiry.stream())?,
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

#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives on the stack")]
enum Judged<'a> {
    Answer(Answer<'a>),
    Failed(Failure, Option<u16>, Option<Told>),
    ClientLeft,
}

/// Decides whether an answer is passed on.
async fn judge<'a>(
    context: &Context<'_, 'a>,
    session: &mut ServerSession,
    mut upstream: HttpSession,
    destination: Destination,
    way: Way<'a>,
    begun: Instant,
    request_id: &str,
) -> Judged<'a> {
    let status = upstream.response_header().map_or(0, |header| header.status.as_u16());
    if !(200..300).contains(&status) {
        return judge_error(context, upstream, destination, way, status, request_id).await;
    }
    let Way { mut passage, adapted, .. } = way;
    let until = (begun + context.limits.first_byte).min(context.deadline).into();
    match prelude::read(context, session, &mut upstream, &mut passage, until).await {
        Prelude::Committed(held) => {
            let content_type = passage.content_type();
            Judged::Answer(Answer { upstream, destination, status, content_type, passage, held, adapted })
        }
        Prelude::Failed(failure) => {
            close(&mut upstream).await;
            Judged::Failed(failure, Some(status), None)
        }
        Prelude::ClientLeft => {
            close(&mut upstream).await;
            Judged::ClientLeft
        }
    }
}

/// An error's body is read, up to a bound, to find out whose fault it is.
async fn judge_error<'a>(
    context: &Context<'_, 'a>,
    mut upstream: HttpSession,
    destination: Destination,
    way: Way<'a>,
    status: u16,
    request_id: &str,
) -> Judged<'a> {
    let read = timeout(context.at_most(context.limits.idle), error_body(&mut upstream)).await;
    let (body, whole) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => (Bytes::new(), false),
    };
    let class = {
        let header = upstream.response_header();
        let lookup =
            |name: &str| header.and_then(|header| header.headers.get(name)).and_then(|value| value.to_str().ok());
        classify::response(way.protocol, status, &lookup, Some(&body))
    };
    if let Some(failure) = Failure::of(class) {
        if whole {
            context.forwarder.upstreams.release(upstream, &destination).await;
        } else {
            close(&mut upstream).await;
        }
        return Judged::Failed(failure, Some(status), None);
    }
    if !whole {
        // Its end is missing, so it cannot be passed on as it is.
        close(&mut upstream).await;
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
        return Judged::Answer(Answer { upstream, destination, status, content_type, passage, held, adapted });
    };
    let received = upstream.response_header().and_then(|header| header.headers.get(header::CONTENT_TYPE)).cloned();
    let content_type = content_type.map(HeaderValue::from_static).or(received);
    context.forwarder.upstreams.release(upstream, &destination).await;
    Judged::Failed(failure, Some(status), Some(Told { status: told_status, content_type, body }))
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
