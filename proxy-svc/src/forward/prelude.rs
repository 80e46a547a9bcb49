//! The beginning of an answer, held until it is worth passing on: the commit point.
//!
//! Until the model has made something, an answer can still turn out to be none (an empty 200, an error inside a 200, a
//! stream that breaks off), and then another candidate takes over without the client noticing. What is held is bounded;
//! a short answer and one that is translated as a whole are held to their end.

use bytes::Bytes;
use http::header;
use pingora::protocols::http::{ServerSession, client::HttpSession};
use tokio::time::{Instant, timeout_at};
use tollgate_dialect::classify;

use super::{
    attempt::{Context, client_left},
    failure::Failure,
};
use crate::{snapshot::FallbackCondition, translate::Passage};

/// Beyond this an answer goes on, whatever it is.
const HELD_BYTES: usize = 64 << 10;
/// An answer up to this length is whole before anything of it goes on.
const SMALL_BODY_BYTES: usize = 64 << 10;

/// What came before the commit point, as it goes to the client.
#[derive(Debug)]
pub(super) enum Held {
    /// All of the answer.
    Whole(Bytes),
    /// Its beginning, in pieces.
    Begun(Vec<Bytes>),
}

pub(super) enum Prelude {
    Committed(Held),
    Failed(Failure),
    /// The provider refused the prompt, and the route lets another target see it; the answer that says so.
    Blocked(Bytes),
    ClientLeft,
}

/// Reads up to the commit point, or to `until`: the first thing that the model says must have come by then.
pub(super) async fn read(
    context: &Context<'_, '_>,
    session: &mut ServerSession,
    upstream: &mut HttpSession,
    passage: &mut Passage<'_>,
    until: Instant,
) -> Prelude {
    // An answer that has no body, like one to a deletion.
    let mut is_empty = true;
    let to_the_end = passage.is_whole() || is_small(upstream);
    let until = if to_the_end { Instant::from_std(context.deadline) } else { until };
    let (mut held, mut held_bytes) = (Vec::new(), 0);
    while !upstream.response_done() {
        let patience = if to_the_end { until.min(Instant::now() + context.limits.idle) } else { until };
        let read = tokio::select! {
            biased;
            read = timeout_at(patience, upstream.read_response_body()) => read,
            () = client_left(session) => return Prelude::ClientLeft,
        };
        let piece = match read {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break,
            Ok(Err(_)) => return Prelude::Failed(Failure::ConnectionLost),
            Err(_) => return Prelude::Failed(Failure::TimedOut),
        };
        if piece.is_empty() {
            continue;
        }
        is_empty = false;
        let kept = passage.pass(piece);
        if let Some(failure) = failure_in(context, passage) {
            return Prelude::Failed(failure);
        }
        held_bytes += kept.len();
        if !kept.is_empty() {
            held.push(kept);
        }
        let is_decided = passage.semantic_started() && !falls_back_from(context, passage);
        if !to_the_end && (is_decided || held_bytes > HELD_BYTES) && !upstream.response_done() {
            return Prelude::Committed(Held::Begun(held));
        }
    }
    let rest = passage.end();
    if let Some(failure) = failure_in(context, passage) {
        return Prelude::Failed(failure);
    }
    match rest {
        None => Prelude::Failed(Failure::Malformed),
        // One that did say something goes on, and is recorded as incomplete: some providers forget the mark of the end.
        Some(_) if passage.lacks_its_end() && !passage.semantic_started() => {
            Prelude::Failed(if is_empty { Failure::Malformed } else { Failure::ConnectionLost })
        }
        Some(rest) => {
            if !rest.is_empty() {
                held.push(rest);
            }
            let answer = joined(held);
            if falls_back_from(context, passage) {
                return Prelude::Blocked(answer);
            }
            Prelude::Committed(Held::Whole(answer))
        }
    }
}

/// Whether the answer is a refusal that another target may see in another way.
fn falls_back_from(context: &Context<'_, '_>, passage: &Passage<'_>) -> bool {
    passage.is_blocked() && context.fallback_on.contains(FallbackCondition::ContentPolicy)
}

/// An error that came in place of an answer. One that is the request's own fault goes on as it came, where it can.
fn failure_in(context: &Context<'_, '_>, passage: &Passage<'_>) -> Option<Failure> {
    let error = passage.error()?;
    let class = classify::in_stream(context.candidate.pool.provider.kind.protocol(), error);
    match (Failure::of(class), passage) {
        (None, Passage::Untouched(_)) => None,
        (failure, _) => Some(failure.unwrap_or(Failure::Malformed)),
    }
}

/// Whether its length is announced and short.
fn is_small(upstream: &HttpSession) -> bool {
    let length = upstream.response_header().and_then(|header| header.headers.get(header::CONTENT_LENGTH));
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length <= SMALL_BODY_BYTES)
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => pieces.concat().into(),
    }
}
