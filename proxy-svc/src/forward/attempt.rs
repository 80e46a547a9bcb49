//! One try against one upstream key: connect, send, and wait for an answer that can be passed on.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version, header};
use pingora::{
    ErrorType,
    http::RequestHeader,
    prelude::timeout,
    protocols::http::{ServerSession, client::HttpSession},
};
use tollgate_dialect::{
    classify::{self, Class},
    headers,
};
use tollgate_shared::clock::UnixMicros;

use super::{
    Forwarder, Limits,
    conceal::without_key,
    failure::Failure,
    upstream::{Destination, Opened},
};
use crate::{
    gateway::{Inquiry, Recording},
    report::{Attempt, AttemptOutcome},
    route::Candidate,
};

/// An upstream's error is read this far, to find out whose fault it is and to pass it on.
const ERROR_BODY_BYTES: usize = 256 * 1024;
/// An answer up to this length is whole before anything of it goes on.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// For the last bytes to an upstream that is given up.
const CLOSE: Duration = Duration::from_millis(100);
/// What the upstream sees of who calls: the gateway, never the caller.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));

/// What an attempt needs to know.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) forwarder: &'a Forwarder,
    pub(super) inquiry: &'a Inquiry<'a>,
    pub(super) candidate: Candidate<'a>,
    pub(super) limits: Limits,
    /// When the whole request must be over.
    pub(super) deadline: Instant,
}

/// How an attempt ended, as far as the answer's header.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives on the stack")]
pub(super) enum Sent {
    Answer(Answer),
    Failed(Failure),
    ClientLeft,
}

/// An answer that is worth passing on: its header is in the session.
pub(super) struct Answer {
    pub(super) upstream: HttpSession,
    pub(super) destination: Destination,
    pub(super) status: u16,
    /// The body, where it was read already to be understood.
    pub(super) body: Option<Bytes>,
}

impl Context<'_> {
    /// The next wait: `wanted`, but never past the request's deadline.
    pub(super) fn at_most(&self, wanted: Duration) -> Duration {
        wanted.min(self.deadline.saturating_duration_since(Instant::now())).max(Duration::from_millis(1))
    }
}

/// Makes the attempt, and puts it on record when it failed.
pub(super) async fn send(context: &Context<'_>, session: &mut ServerSession, recording: &mut Recording<'_>) -> Sent {
    let (begun, started_at) = (Instant::now(), context.forwarder.clock.now());
    let mut tried = try_once(context, session, false).await;
    if matches!(tried, Tried::Stale) {
        // The upstream closed the connection while it was idle: as far as can be known, nobody looked at the request,
        // so this is still the same attempt.
        tried = try_once(context, session, true).await;
    }
    match tried {
        Tried::Answer(answer) => {
            let outcome = if answer.status < 400 { AttemptOutcome::Ok } else { AttemptOutcome::ClientError };
            recording.attempt(record(context, begun, started_at, Some(answer.status), outcome), false);
            Sent::Answer(answer)
        }
        Tried::Failed(failure, status) => {
            recording.attempt(record(context, begun, started_at, status, failure.outcome()), true);
            Sent::Failed(failure)
        }
        Tried::Stale => {
            let failure = Failure::ConnectionLost;
            recording.attempt(record(context, begun, started_at, None, failure.outcome()), true);
            Sent::Failed(failure)
        }
        Tried::ClientLeft => {
            let outcome = AttemptOutcome::ClientClosed;
            recording.attempt(record(context, begun, started_at, None, outcome), false);
            Sent::ClientLeft
        }
    }
}

fn record(
    context: &Context<'_>,
    begun: Instant,
    started_at: UnixMicros,
    status: Option<u16>,
    outcome: AttemptOutcome,
) -> Attempt {
    let model = context.candidate.model.or(context.inquiry.model()).unwrap_or_default();
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

#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives on the stack")]
enum Tried {
    Answer(Answer),
    Failed(Failure, Option<u16>),
    /// A kept connection gave nothing at all.
    Stale,
    ClientLeft,
}

async fn try_once(context: &Context<'_>, session: &mut ServerSession, fresh: bool) -> Tried {
    let provider = &context.candidate.pool.provider;
    let address = match context.forwarder.resolver.resolve(&provider.base).await {
        Ok(address) => address,
        Err(error) => {
            tracing::warn!(provider.id = %provider.id, %error, "upstream address");
            return Tried::Failed(Failure::ConnectFailed, None);
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
            return Tried::Failed(Failure::ConnectFailed, None);
        }
    };
    let Opened { session: mut upstream, reused } = opened;
    let exchanged = exchange(context, session, &mut upstream).await;
    match exchanged {
        Ok(Exchanged::Header) => judge(context, upstream, destination).await,
        Ok(Exchanged::ClientLeft) => {
            close(&mut upstream).await;
            Tried::ClientLeft
        }
        Err(error) => {
            let untouched = reused && was_never_looked_at(&upstream, &error);
            close(&mut upstream).await;
            match error.etype() {
                ErrorType::ReadTimedout | ErrorType::WriteTimedout => Tried::Failed(Failure::TimedOut, None),
                _ if untouched && !fresh => Tried::Stale,
                _ => Tried::Failed(Failure::ConnectionLost, None),
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
    context: &Context<'_>,
    session: &mut ServerSession,
    upstream: &mut HttpSession,
) -> pingora::Result<Exchanged> {
    let body = context.inquiry.body_for(context.candidate.model);
    let header = request_header(context, session, body.len(), matches!(upstream, HttpSession::H2(_)))?;
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
    context: &Context<'_>,
    session: &ServerSession,
    body_bytes: usize,
    http2: bool,
) -> pingora::Result<Box<RequestHeader>> {
    let (inquiry, candidate) = (context.inquiry, &context.candidate);
    let base = &candidate.pool.provider.base;
    let client = &session.req_header().headers;
    let target = inquiry.target_at(base, candidate.model);
    let mut header = RequestHeader::build_no_case(inquiry.method().clone(), target.as_bytes(), Some(client.len() + 4))?;
    if http2 {
        let authority = base.authority.to_str().unwrap_or_default();
        let uri = format!("https://{authority}{target}").parse::<http::Uri>();
        header.set_uri(uri.map_err(|_| pingora::Error::new(ErrorType::InvalidHTTPHeader))?);
        header.set_version(Version::HTTP_2);
    } else {
        header.insert_header(header::HOST, base.authority.clone())?;
    }
    for (name, value) in client {
        if headers::request_allowed(inquiry.protocol(), name.as_str()) {
            header.append_header(name.clone(), value.clone())?;
        }
    }
    header.insert_header(candidate.key.credential_header.clone(), candidate.key.credential.clone())?;
    header.insert_header(header::USER_AGENT, USER_AGENT)?;
    // Usage is read from the answer as it passes.
    header.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    if body_bytes > 0 || *inquiry.method() == http::Method::POST {
        header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body_bytes))?;
    }
    Ok(Box::new(header))
}

/// Decides whether an answer is passed on. An error's body is read for that, up to a bound.
async fn judge(context: &Context<'_>, mut upstream: HttpSession, destination: Destination) -> Tried {
    let status = upstream.response_header().map_or(0, |header| header.status.as_u16());
    if (200..300).contains(&status) {
        let body = match small_length(&upstream) {
            // Until it is whole nothing of it has gone out, so another candidate can still take over.
            Some(length) => {
                match timeout(context.at_most(context.limits.idle), small_body(&mut upstream, length)).await {
                    Ok(Ok(body)) => Some(body),
                    Ok(Err(_)) => return give_up(upstream, Failure::ConnectionLost, status).await,
                    Err(_) => return give_up(upstream, Failure::TimedOut, status).await,
                }
            }
            None => None,
        };
        return Tried::Answer(Answer { upstream, destination, status, body });
    }
    let read = timeout(context.at_most(context.limits.idle), error_body(&mut upstream)).await;
    let (body, whole) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => (Bytes::new(), false),
    };
    let class = {
        let header = upstream.response_header();
        let lookup =
            |name: &str| header.and_then(|header| header.headers.get(name)).and_then(|value| value.to_str().ok());
        classify::response(context.inquiry.protocol(), status, &lookup, Some(&body))
    };
    let wait = |millis: Option<u64>| millis.map(Duration::from_millis);
    let failure = match class {
        Class::Ok | Class::ClientError if whole => {
            let body = without_key(body, &context.candidate.key.credential);
            return Tried::Answer(Answer { upstream, destination, status, body: Some(body) });
        }
        // Its end is missing, so it cannot be passed on as it is.
        Class::Ok | Class::ClientError => Failure::ConnectionLost,
        Class::RateLimited { retry_after_ms, .. } => Failure::RateLimited { retry_after: wait(retry_after_ms) },
        Class::Overloaded { retry_after_ms } => Failure::Overloaded { retry_after: wait(retry_after_ms) },
        Class::ServerError { .. } => Failure::ServerError,
        Class::CredentialsRefused => Failure::CredentialsRefused,
    };
    if whole {
        context.forwarder.upstreams.release(upstream, &destination).await;
    } else {
        close(&mut upstream).await;
    }
    Tried::Failed(failure, Some(status))
}

async fn give_up(mut upstream: HttpSession, failure: Failure, status: u16) -> Tried {
    close(&mut upstream).await;
    Tried::Failed(failure, Some(status))
}

/// The announced length of an answer that is short enough to be waited for.
fn small_length(upstream: &HttpSession) -> Option<usize> {
    let length = upstream.response_header()?.headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok().filter(|length| *length <= SMALL_BODY_BYTES)
}

async fn small_body(upstream: &mut HttpSession, length: usize) -> pingora::Result<Bytes> {
    let Some(first) = upstream.read_response_body().await? else { return Ok(Bytes::new()) };
    if first.len() == length {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(length);
    body.extend_from_slice(&first);
    while let Some(chunk) = upstream.read_response_body().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
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
