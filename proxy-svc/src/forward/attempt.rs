//! One try against one upstream key: connect, send, and wait for an answer that can be passed on.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::{
    ErrorType,
    prelude::timeout,
    protocols::http::{ServerSession, client::HttpSession},
};
use tollgate_dialect::classify::{self, Left};
use tollgate_shared::clock::UnixMicros;

use super::{
    Forwarder, Limits,
    failure::{Failure, Told},
    judge::{Judged, Way, judge},
    prelude::Held,
    request_header::request_header,
    upstream::{Destination, Opened},
};
use crate::{
    gateway::Recording,
    health::Ticket,
    meter::Observation,
    report::{Attempt, AttemptOutcome},
    route::Candidate,
    snapshot::FallbackOn,
    translate::{Outgoing, Passage, Translator},
};

/// For the last bytes to an upstream that is given up.
const CLOSE: Duration = Duration::from_millis(100);

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
pub(super) enum Sent<'a> {
    Answer(Answer<'a>),
    /// With what the caller may be told of it, should nobody do better.
    Failed(Failure, Option<Told>),
    /// With what was told until then.
    ClientLeft(Observation),
}

/// An answer that is worth passing on; the upstream's header is in its session.
pub(super) struct Answer<'a> {
    pub(super) upstream: Box<Opened>,
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
    ticket: &mut Ticket,
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
        Tried::Header(upstream) => {
            let way = Way::of(context, outgoing, &upstream.session, recording, started_at);
            judge(context, session, upstream, way, begun, recording.request_id()).await
        }
        Tried::Failed(failure) => Judged::Failed(failure, None, None),
        Tried::Stale => Judged::Failed(Failure::ConnectionLost, None, None),
        Tried::ClientLeft => Judged::ClientLeft(Observation::Untold { output: 0 }),
    };
    let health = &context.forwarder.health;
    let ended = Instant::now();
    let (now, took) = (health.moment(ended), ended - begun);
    match judged {
        Judged::Answer(answer) => {
            let outcome = if answer.status < 400 {
                ticket.committed(took, left(&answer.upstream.session, context), now);
                AttemptOutcome::Ok
            } else {
                ticket.neutral(now);
                AttemptOutcome::ClientError
            };
            let status = Some(answer.status);
            recording.attempt(record(context, took, started_at, status, outcome, Cow::Borrowed("")), false);
            Sent::Answer(answer)
        }
        Judged::Failed(failure, status, told) => {
            let verdict = failure.verdict(status, had_its_time(context, failure, begun));
            ticket.failed(verdict, now, health.wall());
            let detail = failure.detail(status);
            recording.attempt(record(context, took, started_at, status, failure.outcome(), detail), true);
            Sent::Failed(failure, told)
        }
        Judged::ClientLeft(observed) => {
            ticket.neutral(now);
            let outcome = AttemptOutcome::ClientClosed;
            recording.attempt(record(context, took, started_at, None, outcome, Cow::Borrowed("")), false);
            Sent::ClientLeft(observed)
        }
    }
}

/// What the answer's headers tell of the provider's rate limit.
fn left(upstream: &HttpSession, context: &Context<'_, '_>) -> Option<Left> {
    let headers = &upstream.response_header()?.headers;
    // A map would hash each of these names anew; most answers have few headers.
    let lookup = |name: &str| headers.iter().find(|(known, _)| known.as_str() == name)?.1.to_str().ok();
    classify::left(context.candidate.pool.provider.kind.protocol(), &lookup)
}

/// Whether the key had the time that it may take: not when the caller's own time, or what earlier attempts left of the
/// request's, was up before.
fn had_its_time(context: &Context<'_, '_>, failure: Failure, begun: Instant) -> bool {
    let allowed = if failure == Failure::ConnectFailed { context.limits.connect } else { context.limits.first_byte };
    Instant::now() < context.deadline || begun.elapsed() >= allowed.min(context.limits.total)
}

fn record(
    context: &Context<'_, '_>,
    took: Duration,
    started_at: UnixMicros,
    status: Option<u16>,
    outcome: AttemptOutcome,
    detail: Cow<'static, str>,
) -> Attempt {
    let model = context.candidate.model.or(context.translator.inquiry().model()).unwrap_or_default();
    Attempt {
        provider_id: context.candidate.pool.provider.id,
        upstream_key_id: context.candidate.key.id,
        model: model.into(),
        started_at,
        duration: took,
        status,
        outcome,
        reason: Cow::Borrowed(context.candidate.reason),
        detail,
    }
}

enum Tried {
    /// An answer's header has come.
    Header(Box<Opened>),
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
    let mut upstream = match context.forwarder.upstreams.open(destination, fresh).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::info!(provider.id = %provider.id, %address, %error, "upstream connection failed");
            return Tried::Failed(Failure::ConnectFailed);
        }
    };
    let exchanged = exchange(context, outgoing, session, &mut upstream.session).await;
    match exchanged {
        Ok(Exchanged::Header) => Tried::Header(upstream),
        Ok(Exchanged::ClientLeft) => {
            close(&mut upstream.session).await;
            Tried::ClientLeft
        }
        Err(error) => {
            let untouched = upstream.reused && was_never_looked_at(&upstream.session, &error);
            close(&mut upstream.session).await;
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
pub(crate) async fn client_left(session: &mut ServerSession) {
    while let Ok(Some(_)) = session.read_body_or_idle(true).await {}
}
