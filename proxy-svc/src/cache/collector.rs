//! An answer on its way to its caller, copied beside that, to be kept when all of it has come.
//!
//! Dropped before [`Collector::keep`], which is what every failure does, nothing is kept and the turn goes to whoever
//! waits for the same answer.

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;

use super::{
    Cache, Place,
    entry::{Entry, KEPT_HEADERS},
    flight::{Outcome, Seat, Turn},
};
use crate::report::{Tokens, UsageSource};

pub(crate) struct Collector<'c> {
    cache: &'c Cache,
    place: Place,
    /// Absent where nobody is to wait for this answer.
    seat: Option<Seat<'c>>,
    turn: Option<Turn>,
    ttl_seconds: u32,
    max_bytes: usize,
    headers: Vec<(http::HeaderName, http::HeaderValue)>,
    is_stream: bool,
    body: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No header yet.
    Waiting,
    Begun,
    /// It cannot be kept.
    GivenUp,
}

impl<'c> Collector<'c> {
    pub(super) fn new(cache: &'c Cache, place: Place, ttl_seconds: u32, max_bytes: usize) -> Self {
        Self {
            cache,
            place,
            seat: None,
            turn: None,
            ttl_seconds,
            max_bytes,
            headers: Vec::new(),
            is_stream: false,
            body: Vec::new(),
            state: State::Waiting,
        }
    }

    /// With others who wait for this answer. Without the turn, it is one that did not want to wait longer.
    pub(super) fn sit(&mut self, seat: Seat<'c>, turn: Option<Turn>) {
        (self.seat, self.turn) = (Some(seat), turn);
    }

    /// The header that the caller gets. Only what names what it is leaves the memory of the connection that it came by.
    pub(crate) fn begin(&mut self, header: &ResponseHeader) {
        // The next in line may get a better one.
        if header.status != 200 {
            self.state = State::GivenUp;
            self.turn = None;
            return;
        }
        let length = header.headers.get(header::CONTENT_LENGTH);
        let announced = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        // The usage in an encoded answer was not read, so nobody knows whether it is whole.
        if header.headers.contains_key(header::CONTENT_ENCODING) || announced.is_some_and(|size| size > self.max_bytes)
        {
            return self.give_up();
        }
        self.is_stream = length.is_none();
        self.body.reserve_exact(announced.unwrap_or(0));
        for name in &KEPT_HEADERS {
            if let Some(value) = header.headers.get(name)
                && let Ok(copy) = http::HeaderValue::from_bytes(value.as_bytes())
            {
                self.headers.push((name.clone(), copy));
            }
        }
        self.state = State::Begun;
    }

    /// A piece of the body as the caller gets it.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        if self.state != State::Begun {
            return;
        }
        if self.body.len() + piece.len() > self.max_bytes {
            return self.give_up();
        }
        self.body.extend_from_slice(piece);
    }

    /// Whoever waits for it would wait for the same once more.
    fn give_up(&mut self) {
        self.state = State::GivenUp;
        self.body = Vec::new();
        if let Some(seat) = self.seat.take() {
            seat.settle(Outcome::NotKept);
        }
    }

    /// All of it has come, and nothing was wrong with it: from here on it is given to whoever asks the same.
    pub(crate) fn keep(mut self, model: Option<&str>, usage: Option<&Tokens>) {
        if self.state != State::Begun || usage.is_some_and(|usage| usage.source == UsageSource::Partial) {
            return;
        }
        let entry = Entry {
            stored_at: self.cache.clock.now(),
            headers: std::mem::take(&mut self.headers),
            is_stream: self.is_stream,
            body: Bytes::from(std::mem::take(&mut self.body).into_boxed_slice()),
            model: model.unwrap_or_default().into(),
            usage: usage.cloned(),
        };
        let entry = self.cache.store(&self.place, entry, self.ttl_seconds);
        if let Some(seat) = self.seat.take() {
            seat.settle(Outcome::Kept(entry));
        }
    }
}
