//! An answer that was kept, given again: the same bytes, under a new request's own name.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use memchr::memmem;
use pingora::{http::ResponseHeader, protocols::http::ServerSession};
use tollgate_dialect::Protocol;

use super::entry::Entry;
use crate::{
    gateway::{Recording, Stop},
    report::Outcome,
    respond::{self, OWN_HEADERS, names, rate_limits},
    snapshot::Service,
};

/// Written at a time, so that a slow caller is told from one that takes nothing.
const PIECE_BYTES: usize = 64 << 10;

pub(super) async fn replay(
    session: &mut ServerSession,
    service: &Service,
    protocol: Protocol,
    entry: &Entry,
    client_write: Duration,
    recording: &mut Recording<'_>,
) -> Result<(), Stop> {
    recording.answered_before(&entry.model, entry.usage.as_ref());
    let age_seconds = entry.age_seconds(recording.started_at());
    let header = header(session, service, protocol, entry, age_seconds, recording).map_err(Stop::ClientLeft)?;
    let mut rest = entry.body.clone();
    let written = async {
        session.write_response_header(header).await?;
        loop {
            let piece = next_piece(&mut rest);
            let is_last = rest.is_empty();
            recording.first_byte_sent();
            if is_last {
                // On record before the client has the last byte.
                recording.end(Outcome::Ok);
            }
            let writing = session.write_response_body(piece, is_last);
            match tokio::time::timeout(client_write, writing).await {
                Ok(written) => written?,
                Err(_) => return Err(pingora::Error::new_down(pingora::ErrorType::WriteTimedout)),
            }
            if is_last {
                return Ok(());
            }
        }
    };
    // What did not end well ended because the client left.
    written.await.map_err(|error| {
        recording.end(Outcome::ClientClosed);
        Stop::ClientLeft(error)
    })
}

/// As many whole events as fit, or what fits where there are none.
fn next_piece(rest: &mut Bytes) -> Bytes {
    if rest.len() <= PIECE_BYTES {
        return std::mem::take(rest);
    }
    let end = memmem::rfind(&rest[..PIECE_BYTES], b"\n\n").map_or(PIECE_BYTES, |at| at + 2);
    rest.split_to(end)
}

fn header(
    session: &ServerSession,
    service: &Service,
    protocol: Protocol,
    entry: &Entry,
    age_seconds: u64,
    recording: &Recording<'_>,
) -> pingora::Result<Box<ResponseHeader>> {
    let shown = |name: &HeaderName| !service.hidden_headers.contains(name);
    let mut headers = HeaderMap::with_capacity(entry.headers.len() + OWN_HEADERS);
    for (name, value) in entry.headers.iter().filter(|(name, _)| shown(name)) {
        headers.insert(name, value.clone());
    }
    if entry.is_stream && session.req_header().version == Version::HTTP_11 {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.body.len()));
    }
    respond::insert_request_id(&mut headers, protocol, recording.request_id())?;
    rate_limits::insert(&mut headers, recording.ledger_ref());
    if shown(&names::ATTEMPTS) {
        headers.insert(&names::ATTEMPTS, HeaderValue::from_static("0"));
    }
    if shown(&names::CACHE) {
        headers.insert(&names::CACHE, HeaderValue::from_static("hit"));
        headers.insert(header::AGE, HeaderValue::from(age_seconds));
    }
    respond::response_header(200, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(body: &[u8]) -> Vec<Bytes> {
        let mut rest = Bytes::copy_from_slice(body);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            pieces.push(next_piece(&mut rest));
        }
        pieces
    }

    #[test]
    fn a_stream_is_cut_between_events_and_other_answers_anywhere() {
        let event = [b"data: ".as_slice(), &[b'x'; 1000], b"\n\n"].concat();
        let stream = event.repeat(200);
        let cut = pieces(&stream);
        assert!(cut.len() > 1 && cut.iter().all(|piece| piece.ends_with(b"\n\n") && piece.len() <= PIECE_BYTES));
        assert_eq!(cut.concat(), stream);
        let plain = vec![b'x'; 3 * PIECE_BYTES + 1];
        let cut = pieces(&plain);
        assert_eq!(cut.len(), 4);
        assert_eq!(cut.concat(), plain);
    }
}
