//! Passes an answer on, piece by piece as it comes, and reads its usage beside that. After the header there is no other
//! attempt: what goes wrong now ends the answer visibly, and the record says so.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use tollgate_dialect::{
    Protocol,
    classify::{self, Class},
    error::{self, ErrorKind},
};

use super::{
    answer_header::answer_header,
    attempt::{Answer, Context, client_left, close},
    failure::{Failure, Told},
    prelude::Held,
};
use crate::{
    cache::Collector,
    gateway::{Recording, Stop},
    health::{Cause, Ticket, Verdict},
    report::{AttemptOutcome, Outcome},
    respond,
    snapshot::Service,
    translate::Passage,
};

/// Between two checkpoints of a stream's usage in the journal.
const CHECKPOINT: Duration = Duration::from_secs(5);

/// How the upstream's part of an answer ended.
#[derive(Debug)]
enum End {
    /// All of it came; its last piece has not been sent on yet.
    Complete(Bytes),
    ClientLeft,
    /// The upstream broke off.
    Cut,
    /// The upstream said in the middle that it cannot go on, and the client is yet to be told.
    Failed(ErrorKind),
    TimedOut,
}

pub(super) async fn pass_on(
    context: &Context<'_, '_>,
    session: &mut ServerSession,
    service: &Service,
    mut answer: Answer<'_>,
    ticket: &mut Ticket,
    mut collector: Option<Box<Collector<'_>>>,
    recording: &mut Recording<'_>,
) -> Result<(), Stop> {
    recording.served_by_last_attempt(answer.status);
    let written = match answer_header(context, session, service, &answer, recording) {
        Ok(header) => {
            if let Some(collector) = &mut collector {
                collector.begin(&header);
            }
            session.write_response_header(header).await
        }
        Err(error) => Err(error),
    };
    let held = std::mem::replace(&mut answer.held, Held::Begun(Vec::new()));
    let end = match (written, held) {
        (Err(_), _) => End::ClientLeft,
        (Ok(()), Held::Whole(body)) => End::Complete(body),
        (Ok(()), Held::Begun(pieces)) => pump(context, session, &mut answer, pieces, &mut collector, recording).await,
    };
    let Answer { mut upstream, status, passage, .. } = answer;
    match end {
        End::Complete(last) => {
            let outcome = if status < 400 { Outcome::Ok } else { Outcome::ClientError };
            recording.first_byte_sent();
            // On record, and the upstream's connection free, before the client has the last byte.
            let told = verdict_in(context, &passage);
            let is_whole = finish(recording, passage, outcome).await;
            let broken = (!is_whole).then_some(Verdict::Failed(Cause::Server));
            settle(context, ticket, status, told.or(broken));
            if let Some(mut collector) = collector.filter(|_| is_whole && outcome == Outcome::Ok) {
                collector.take(&last);
                let (model, usage) = recording.served();
                collector.keep(model, usage);
            }
            context.forwarder.upstreams.release(upstream).await;
            let written = session.write_response_body(last, true);
            match tokio::time::timeout(context.limits.client_write, written).await {
                Ok(written) => written.map_err(Stop::ClientLeft),
                Err(_) => Err(Stop::client_left()),
            }
        }
        End::ClientLeft => {
            ticket.neutral(context.forwarder.health.now());
            close(&mut upstream.session).await;
            last_attempt(recording, AttemptOutcome::ClientClosed, "");
            finish(recording, passage, Outcome::ClientClosed).await;
            Err(Stop::client_left())
        }
        End::Cut | End::TimedOut | End::Failed(_) => {
            close(&mut upstream.session).await;
            Err(break_off(context, session, status, passage, &end, ticket, recording).await)
        }
    }
}

/// Ends an answer that the upstream did not bring to its end, so that the client notices.
async fn break_off(
    context: &Context<'_, '_>,
    session: &mut ServerSession,
    status: u16,
    passage: Passage<'_>,
    end: &End,
    ticket: &mut Ticket,
    recording: &mut Recording<'_>,
) -> Stop {
    let verdict = verdict_in(context, &passage).unwrap_or_else(|| verdict_of(context, end));
    settle(context, ticket, status, Some(verdict));
    let (outcome, code, kind) = match *end {
        End::TimedOut => (AttemptOutcome::TimedOut, "upstream_stream_interrupted", ErrorKind::UpstreamUnavailable),
        End::Failed(kind) => (AttemptOutcome::ServerError, "upstream_error_in_answer", kind),
        _ => (AttemptOutcome::ConnectionLost, "upstream_stream_interrupted", ErrorKind::UpstreamUnavailable),
    };
    last_attempt(recording, outcome, detail_of(end));
    if let Some(event) = last_event(context, &passage, kind, recording.request_id()) {
        // On HTTP/1 the missing end says that the answer is not whole; on HTTP/2 an abrupt end would take the event
        // along.
        let ends = session.as_http1().is_none();
        let _ = session.write_response_body(event, ends).await;
    }
    recording.error_code(code);
    finish(recording, passage, Outcome::UpstreamError).await;
    // Without its proper end, the client notices that this answer is not whole.
    Stop::client_left()
}

async fn pump(
    context: &Context<'_, '_>,
    session: &mut ServerSession,
    answer: &mut Answer<'_>,
    held: Vec<Bytes>,
    collector: &mut Option<Box<Collector<'_>>>,
    recording: &mut Recording<'_>,
) -> End {
    let Answer { upstream, passage, .. } = answer;
    let upstream = &mut upstream.session;
    for piece in held {
        recording.first_byte_sent();
        if let Some(collector) = collector {
            collector.take(&piece);
        }
        if session.write_response_body(piece, false).await.is_err() {
            return End::ClientLeft;
        }
    }
    // One timer for the whole answer, moved on only when it fires: a timer a piece would cost more than the piece.
    upstream.set_read_timeout(None);
    let patience = tokio::time::sleep(context.at_most(context.limits.idle));
    tokio::pin!(patience);
    let mut last = Instant::now();
    let mut checkpoint = last;
    loop {
        if upstream.response_done() {
            break;
        }
        let read = tokio::select! {
            biased;
            read = upstream.read_response_body() => read,
            () = client_left(session) => return End::ClientLeft,
            () = &mut patience => {
                let end = (last + context.limits.idle).min(context.deadline);
                if end <= Instant::now() {
                    return End::TimedOut;
                }
                patience.as_mut().reset(end.into());
                continue;
            }
        };
        let chunk = match read {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(_) => return End::Cut,
        };
        last = Instant::now();
        if chunk.is_empty() {
            continue;
        }
        let kept = passage.pass(chunk);
        if upstream.response_done() && !passage.changes_length() {
            return End::Complete(kept);
        }
        if kept.is_empty() {
            if let Some(kind) = failed(context, passage) {
                return End::Failed(kind);
            }
            continue;
        }
        recording.first_byte_sent();
        if let Some(collector) = collector {
            collector.take(&kept);
        }
        if session.write_response_body(kept, false).await.is_err() {
            return End::ClientLeft;
        }
        if let Some(kind) = failed(context, passage) {
            return End::Failed(kind);
        }
        if last.duration_since(checkpoint) > CHECKPOINT {
            checkpoint = last;
            if let Some(tokens) = passage.so_far() {
                recording.checkpoint(&tokens);
            }
        }
    }
    match passage.end() {
        Some(rest) => End::Complete(rest),
        None => failed(context, passage).map_or(End::Cut, End::Failed),
    }
}

/// What the client is told of an error in a stream that is translated; where the bytes are left alone, it has seen the
/// provider's own.
fn failed(context: &Context<'_, '_>, passage: &Passage<'_>) -> Option<ErrorKind> {
    if !passage.changes_content() {
        return None;
    }
    let class = classify::in_stream(context.candidate.pool.provider.kind.protocol(), passage.error()?);
    Some(match class {
        Class::RateLimited { .. } => ErrorKind::RateLimited,
        Class::Overloaded { .. } => ErrorKind::Overloaded,
        Class::CredentialsRefused => ErrorKind::UpstreamCredentialsExhausted,
        Class::TimedOut => ErrorKind::UpstreamTimeout,
        Class::Ok | Class::ClientError | Class::ServerError { .. } => ErrorKind::UpstreamUnavailable,
    })
}

/// Tells the client what a target said of the request, after no other could serve it either.
pub(super) async fn tell(
    session: &mut ServerSession,
    protocol: Protocol,
    service: &Service,
    told: Told,
    recording: &mut Recording<'_>,
) -> Result<(), Stop> {
    let Told { status, content_type, body, usage } = told;
    recording.served_by_last_attempt(status);
    recording.observed(usage);
    recording.end_durably(if status < 400 { Outcome::Ok } else { Outcome::ClientError }).await;
    let shows_attempts = !service.hidden_headers.iter().any(|hidden| hidden == "x-tollgate-attempts");
    respond::send(session, protocol, status, content_type, body, recording, shows_attempts)
        .await
        .map_err(Stop::ClientLeft)
}

/// Returns whether nothing was wrong with the answer.
async fn finish(recording: &mut Recording<'_>, passage: Passage<'_>, outcome: Outcome) -> bool {
    let observed = passage.finish();
    recording.observed(observed.usage);
    let defect = observed.defect.filter(|_| outcome == Outcome::Ok);
    if let Some(code) = defect {
        recording.error_code(code);
        last_attempt(recording, AttemptOutcome::ServerError, "the answer is not whole");
    }
    recording.end_durably(if defect.is_some() { Outcome::UpstreamError } else { outcome }).await;
    defect.is_none()
}

/// What the rest of an answer says of the key: `None` when it came to its end. An error that was passed on was settled
/// before.
fn settle(context: &Context<'_, '_>, ticket: &mut Ticket, status: u16, verdict: Option<Verdict>) {
    let health = &context.forwarder.health;
    match verdict {
        _ if status >= 400 => {}
        None => ticket.completed(health.now()),
        Some(verdict) => ticket.failed(verdict, health.now(), health.wall()),
    }
}

/// Of an error that the provider told in the middle.
fn verdict_in(context: &Context<'_, '_>, passage: &Passage<'_>) -> Option<Verdict> {
    let class = classify::in_stream(context.candidate.pool.provider.kind.protocol(), passage.error()?);
    Some(Failure::of(class).map_or(Verdict::Neutral, |failure| failure.verdict(None, true)))
}

/// Of an answer that has no end. One that took all of the request's time is not the key's fault.
fn verdict_of(context: &Context<'_, '_>, end: &End) -> Verdict {
    match end {
        End::TimedOut if Instant::now() >= context.deadline => Verdict::Neutral,
        End::TimedOut => Verdict::Failed(Cause::Timeout),
        End::Failed(_) => Verdict::Failed(Cause::Server),
        End::Cut | End::Complete(_) | End::ClientLeft => Verdict::Failed(Cause::Lost),
    }
}

fn detail_of(end: &End) -> &'static str {
    match end {
        End::TimedOut => "the answer stopped coming",
        End::Failed(_) => "the provider told an error in the middle of its answer",
        End::Cut | End::Complete(_) | End::ClientLeft => "the connection broke in the middle of the answer",
    }
}

fn last_attempt(recording: &mut Recording<'_>, outcome: AttemptOutcome, detail: &'static str) {
    if let Some(attempt) = recording.attempts().last_mut() {
        attempt.outcome = outcome;
        attempt.detail = Cow::Borrowed(detail);
    }
}

/// A stream of events ends with an error in the client's protocol, which its library raises.
fn last_event(context: &Context<'_, '_>, passage: &Passage<'_>, kind: ErrorKind, request_id: &str) -> Option<Bytes> {
    if !passage.is_stream() {
        return None;
    }
    let message = match kind {
        ErrorKind::RateLimited => "The upstream's rate limit was reached in the middle of its answer.",
        ErrorKind::Overloaded => "The upstream was overloaded in the middle of its answer.",
        _ => "The upstream broke off in the middle of its answer.",
    };
    let body = error::ErrorBody { kind, message, param: None, request_id, retry_after_ms: None };
    let inquiry = context.translator.inquiry();
    let framing = error::Framing::of(inquiry.protocol(), inquiry.operation(), inquiry.wants_events());
    let framing = if passage.has_begun() { framing } else { framing.at_start() };
    Some(error::stream_event(framing, &body, passage.is_after_whole_event(), passage.events()).into())
}
