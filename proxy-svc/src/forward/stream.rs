//! Passes an answer on, piece by piece as it comes, and reads its usage beside that. After the header there is no other
//! attempt: what goes wrong now ends the answer visibly, and the record says so.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::{
    http::ResponseHeader,
    protocols::http::{ServerSession, client::HttpSession},
};
use tollgate_dialect::{Protocol, error, headers};

use super::attempt::{Answer, Context, client_left, close};
use crate::{
    gateway::{Recording, Stop},
    meter::{Meter, Observation},
    report::{AttemptOutcome, Outcome},
    snapshot::Service,
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
    TimedOut,
}

pub(super) async fn pass_on(
    context: &Context<'_>,
    session: &mut ServerSession,
    service: &Service,
    answer: Answer,
    recording: &mut Recording<'_>,
) -> Result<(), Stop> {
    let Answer { mut upstream, destination, status, body } = answer;
    recording.served_by_last_attempt(status);
    let mut meter = Meter::for_answer(context.inquiry, upstream.response_header());
    let header = answer_header(context, session, service, &upstream, &meter, recording);
    let written = match header {
        Ok(header) => session.write_response_header(header).await,
        Err(error) => Err(error),
    };
    let end = match (written, body) {
        (Err(_), _) => End::ClientLeft,
        (Ok(()), Some(body)) => {
            meter.observe(&body);
            End::Complete(body)
        }
        (Ok(()), None) => pump(context, session, &mut upstream, &mut meter, recording).await,
    };
    match end {
        End::Complete(last) => {
            let outcome = if status < 400 { Outcome::Ok } else { Outcome::ClientError };
            recording.first_byte_sent();
            // On record, and the upstream's connection free, before the client has the last byte.
            finish(recording, meter, outcome).await;
            context.forwarder.upstreams.release(upstream, &destination).await;
            let written = session.write_response_body(last, true);
            match tokio::time::timeout(context.limits.client_write, written).await {
                Ok(written) => written.map_err(Stop::ClientLeft),
                Err(_) => Err(Stop::client_left()),
            }
        }
        End::ClientLeft => {
            close(&mut upstream).await;
            last_attempt(recording, AttemptOutcome::ClientClosed);
            finish(recording, meter, Outcome::ClientClosed).await;
            Err(Stop::client_left())
        }
        End::Cut | End::TimedOut => {
            close(&mut upstream).await;
            let cut = if matches!(end, End::Cut) { AttemptOutcome::ConnectionLost } else { AttemptOutcome::TimedOut };
            last_attempt(recording, cut);
            tell_of_the_cut(context, session, &meter, recording.request_id()).await;
            recording.error_code("upstream_stream_interrupted");
            finish(recording, meter, Outcome::UpstreamError).await;
            // Without its proper end, the client notices that this answer is not whole.
            Err(Stop::client_left())
        }
    }
}

async fn pump(
    context: &Context<'_>,
    session: &mut ServerSession,
    upstream: &mut HttpSession,
    meter: &mut Meter,
    recording: &mut Recording<'_>,
) -> End {
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
        let kept = meter.pass(chunk);
        if upstream.response_done() && !meter.may_shorten() {
            return End::Complete(kept);
        }
        recording.first_byte_sent();
        if session.write_response_body(kept, false).await.is_err() {
            return End::ClientLeft;
        }
        if last.duration_since(checkpoint) > CHECKPOINT {
            checkpoint = last;
            if let Some(tokens) = meter.so_far() {
                recording.checkpoint(&tokens);
            }
        }
    }
    End::Complete(meter.rest())
}

async fn finish(recording: &mut Recording<'_>, meter: Meter, outcome: Outcome) {
    let observed = meter.finish();
    match observed.usage {
        Observation::Free => {}
        Observation::Told(tokens) => recording.usage(tokens),
        Observation::Untold { output } => recording.estimated_usage(output),
    }
    match observed.defect.filter(|_| outcome == Outcome::Ok) {
        Some(code) => {
            recording.error_code(code);
            last_attempt(recording, AttemptOutcome::ServerError);
            recording.end_durably(Outcome::UpstreamError).await;
        }
        None => recording.end_durably(outcome).await,
    }
}

fn last_attempt(recording: &mut Recording<'_>, outcome: AttemptOutcome) {
    if let Some(attempt) = recording.attempts().last_mut() {
        attempt.outcome = outcome;
    }
}

/// A stream of events ends with an error in the client's protocol, which its library raises.
async fn tell_of_the_cut(context: &Context<'_>, session: &mut ServerSession, meter: &Meter, request_id: &str) {
    if !meter.is_event_stream() {
        return;
    }
    let message = "The upstream broke off in the middle of its answer.";
    let kind = error::ErrorKind::UpstreamUnavailable;
    let body = error::ErrorBody { kind, message, param: None, request_id, retry_after_ms: None };
    let framing = error::Framing::of(context.inquiry.protocol(), context.inquiry.operation(), true);
    let event = error::stream_event(framing, &body, meter.is_after_whole_event());
    // On HTTP/1 the missing end says that the answer is not whole; on HTTP/2 an abrupt end would take the event along.
    let ends = session.as_http1().is_none();
    let _ = session.write_response_body(Bytes::from(event), ends).await;
}

fn answer_header(
    context: &Context<'_>,
    session: &ServerSession,
    service: &Service,
    upstream: &HttpSession,
    meter: &Meter,
    recording: &Recording<'_>,
) -> pingora::Result<Box<ResponseHeader>> {
    let Some(received) = upstream.response_header() else {
        return Err(pingora::Error::new(pingora::ErrorType::InvalidHTTPHeader));
    };
    let protocol: Protocol = context.inquiry.protocol();
    let mut header = ResponseHeader::build_no_case(received.status, Some(received.headers.len() + 4))?;
    for (name, value) in &received.headers {
        if headers::response_allowed(protocol, name.as_str()) && !service.hidden_headers.contains(name) {
            header.append_header(name.clone(), value.clone())?;
        }
    }
    let length = received.headers.get(header::CONTENT_LENGTH).filter(|_| !meter.may_shorten());
    match length {
        Some(length) => header.insert_header(header::CONTENT_LENGTH, length.clone())?,
        None if session.req_header().version == Version::HTTP_11 && has_body(received) => {
            header.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
        }
        None => {}
    }
    let shown = |name: &str| !service.hidden_headers.iter().any(|hidden| hidden == name);
    header.insert_header("x-request-id", recording.request_id())?;
    if shown("x-tollgate-attempts") {
        header.insert_header("x-tollgate-attempts", HeaderValue::from(recording.attempt_count()))?;
    }
    // People name providers in their own language: such bytes pass as they are.
    if shown("x-tollgate-provider")
        && let Ok(name) = HeaderValue::from_bytes(context.candidate.pool.provider.name.as_bytes())
    {
        header.insert_header("x-tollgate-provider", name)?;
    }
    if let Some(model) = context.candidate.model.or(context.inquiry.model())
        && shown("x-tollgate-model")
        && let Ok(model) = HeaderValue::from_bytes(model.as_bytes())
    {
        header.insert_header("x-tollgate-model", model)?;
    }
    Ok(Box::new(header))
}

fn has_body(header: &ResponseHeader) -> bool {
    !matches!(header.status.as_u16(), 204 | 304)
}
