//! What is taken out of a stream because the caller did not ask for it.
//!
//! When a caller of OpenAI's protocol did not ask for usage in the stream, the gateway did: the extra chunk that this
//! brings (`choices: []` with a `usage` object) is taken out again, and so is `,"usage":null` in the other chunks, so
//! that the caller's stream is what it would have been. The latter only where it is certainly the root's: written
//! just like this, with no closing brace behind it but the root's own. Every other byte stays.
//!
//! A usage object that comes in a chunk with choices, as some providers send it unasked, is left in.

use std::ops::Range;

pub(crate) mod event;

use event::{Cut, Search};

/// Beyond this an unfinished event is not the usage chunk, which is a few hundred bytes: it passes as it comes.
const HELD_LIMIT: usize = 64 << 10;

/// What goes on to the caller of one piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward<'f> {
    /// This range of the piece, unchanged: no byte was copied.
    Piece(Range<usize>),
    /// These bytes; they hold until the filter is used again.
    Copied(&'f [u8]),
}

impl<'f> Forward<'f> {
    /// The bytes, given the piece that was filtered.
    pub fn bytes(&self, piece: &'f [u8]) -> &'f [u8] {
        match self {
            Self::Piece(range) => piece.get(range.clone()).unwrap_or_default(),
            Self::Copied(bytes) => bytes,
        }
    }
}

/// Takes the usage chunk out of a stream of OpenAI's chat or legacy completions.
///
/// Whole events pass at once. Of an unfinished one at a piece's end, what has come is held until the rest comes: no
/// client could use it before. How the stream is cut into pieces changes nothing of what comes out in all.
#[derive(Debug, Default)]
pub struct UsageChunkFilter {
    /// The beginning of an event whose end has not come.
    held: Vec<u8>,
    /// Where in it the search for its end goes on.
    search: Search,
    out: Vec<u8>,
    /// A line that is too long to be held goes by, up to its end.
    passing: bool,
}

impl UsageChunkFilter {
    pub fn new() -> Self {
        Self::default()
    }

    /// What of this piece, and of what was held before it, goes on now. It may be nothing.
    pub fn filter<'f>(&'f mut self, piece: &[u8]) -> Forward<'f> {
        let passed = if self.passing { self.pass(piece) } else { 0 };
        let rest = piece.get(passed..).unwrap_or_default();
        if self.held.is_empty() { self.filter_in_place(piece, passed, rest) } else { self.filter_held(rest) }
    }

    /// Whether what has gone on so far ends with a whole event.
    pub const fn is_after_whole_event(&self) -> bool {
        !self.passing
    }

    /// What is still held when the stream has ended: an event without an end.
    pub fn finish(self) -> Vec<u8> {
        if event::cut(&self.held) == Cut::All { Vec::new() } else { self.held }
    }

    /// How much of the piece belongs to the long line.
    fn pass(&mut self, piece: &[u8]) -> usize {
        match memchr::memchr2(b'\n', b'\r', piece) {
            Some(end) => {
                self.passing = false;
                end
            }
            None => piece.len(),
        }
    }

    /// Nothing is held: what goes on is the piece itself, unless something is taken out of it.
    fn filter_in_place(&mut self, piece: &[u8], passed: usize, rest: &[u8]) -> Forward<'_> {
        let mut search = Search::default();
        self.out.clear();
        let mut copied_to = None;
        let mut at = 0;
        while let Some(end) = search.event_end(rest.get(at..).unwrap_or_default()) {
            let whole = rest.get(at..at + end).unwrap_or_default();
            if let Some(cut) = event::cut(whole).range(end) {
                let from = copied_to.map_or(0, |to| passed + to);
                self.out.extend_from_slice(piece.get(from..passed + at + cut.start).unwrap_or_default());
                copied_to = Some(at + cut.end);
            }
            at += end;
        }
        self.search = search;
        let unfinished = rest.get(at..).unwrap_or_default();
        let complete = if self.hold(unfinished) { passed + at } else { piece.len() };
        match copied_to {
            None => Forward::Piece(0..complete),
            Some(to) => {
                self.out.extend_from_slice(piece.get(passed + to..complete).unwrap_or_default());
                Forward::Copied(&self.out)
            }
        }
    }

    /// Keeps an unfinished event; false when it is too long, and goes by instead.
    fn hold(&mut self, unfinished: &[u8]) -> bool {
        self.held.clear();
        if unfinished.len() > HELD_LIMIT {
            self.passing = true;
            self.search = Search::default();
            return false;
        }
        self.held.extend_from_slice(unfinished);
        true
    }

    /// Something is held: the piece is put behind it, and what is whole goes on from there.
    fn filter_held(&mut self, piece: &[u8]) -> Forward<'_> {
        self.out.clear();
        self.held.extend_from_slice(piece);
        let mut at = 0;
        while let Some(end) = self.search.event_end(self.held.get(at..).unwrap_or_default()) {
            let whole = self.held.get(at..at + end).unwrap_or_default();
            let cut = event::cut(whole).range(end).unwrap_or(end..end);
            self.out.extend_from_slice(whole.get(..cut.start).unwrap_or_default());
            self.out.extend_from_slice(whole.get(cut.end..).unwrap_or_default());
            at += end;
        }
        self.held.drain(..at);
        if self.held.len() > HELD_LIMIT {
            self.out.append(&mut self.held);
            self.passing = true;
            self.search = Search::default();
        }
        Forward::Copied(&self.out)
    }
}

#[cfg(test)]
mod tests;
