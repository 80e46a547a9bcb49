//! Reads a request's body: whole, bounded in size and in time, so that it can be inspected and replayed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora::{prelude::timeout, protocols::http::ServerSession};

/// Why there is no body to go on with.
#[derive(Debug)]
pub(super) enum BodyError {
    TooLarge,
    /// The client was too slow.
    TimedOut,
    /// The client left, or broke off.
    Closed,
    /// Its chunks make no sense.
    Malformed,
}

/// `idle`: the longest wait for the next bytes.
pub(super) async fn read(session: &mut ServerSession, limit: usize, idle: Duration) -> Result<Bytes, BodyError> {
    let announced = announced_length(session);
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    if session.is_body_empty() {
        return Ok(Bytes::new());
    }
    if expects_continue(session) {
        session.write_continue_response().await.map_err(|_| BodyError::Closed)?;
    }
    let Some(first) = next(session, idle).await? else { return Ok(Bytes::new()) };
    if announced == Some(first.len()) {
        return Ok(first);
    }
    // The announced length is at most the limit; memory that is not written to costs nothing.
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(first.len() * 2));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        if whole.len() + bytes.len() > limit {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        chunk = next(session, idle).await?;
    }
    Ok(whole.freeze())
}

async fn next(session: &mut ServerSession, idle: Duration) -> Result<Option<Bytes>, BodyError> {
    match timeout(idle, session.read_request_body()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) if matches!(error.etype().as_str(), "InvalidChunk" | "InvalidTrailerEnd") => {
            Err(BodyError::Malformed)
        }
        Ok(Err(_)) => Err(BodyError::Closed),
        Err(_) => Err(BodyError::TimedOut),
    }
}

fn announced_length(session: &ServerSession) -> Option<usize> {
    session.get_header(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// A client of HTTP/1.0 would take the interim answer for the whole (RFC 9110, section 10.1.1).
fn expects_continue(session: &ServerSession) -> bool {
    let header = session.req_header();
    let expected = header.headers.get(header::EXPECT);
    header.version > Version::HTTP_10
        && expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
