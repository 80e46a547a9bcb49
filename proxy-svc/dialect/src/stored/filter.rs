//! Puts tags behind the ids of an answer, while it passes.

use super::lines::{Lines, Part};
use super::{Places, Tagger, write};
use crate::json::walk::{Progress, Walker};
use crate::stream::Forward;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One JSON object.
    Object,
    /// Server-sent events.
    Events,
}

/// Puts a tag behind every id of an answer.
///
/// Of an id that is cut by a piece's end, what has come is held until the rest comes; everything else passes at once,
/// and a piece without an id passes uncopied. How the answer is cut into pieces changes nothing of what comes out in
/// all.
pub struct IdFilter {
    walker: Walker,
    /// Absent for one object.
    lines: Option<Lines>,
    /// The beginning of a value whose end has not come.
    held: Vec<u8>,
    out: Vec<u8>,
}

/// How far a piece has been dealt with.
#[derive(Default)]
struct Done {
    /// All before it is in `out`, once anything was copied.
    to: usize,
    copied: bool,
}

impl IdFilter {
    pub fn new(places: Places, framing: Framing) -> Self {
        Self {
            walker: Walker::new(places.select),
            lines: (framing == Framing::Events).then(|| Lines::new(places.may_hold)),
            held: Vec::new(),
            out: Vec::new(),
        }
    }

    /// What of this piece, and of what was held before it, goes on now. It may be nothing.
    pub fn filter<'f>(&'f mut self, piece: &[u8], tagger: &dyn Tagger) -> Forward<'f> {
        self.out.clear();
        let mut done = Done { to: 0, copied: !self.held.is_empty() };
        if self.lines.is_none() {
            self.walk(piece, 0, piece.len(), &mut done, tagger);
        }
        let mut at = 0;
        while let Some(lines) = &mut self.lines
            && let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty())
        {
            at += match lines.next(rest) {
                Part::Other(length) => length,
                Part::Payload(length) => {
                    self.walk(piece, at, at + length, &mut done, tagger);
                    length
                }
                Part::LineEnd(length) => {
                    if self.walker.unfinished().is_some() {
                        self.give_up();
                    }
                    length
                }
                Part::EventEnd(length) => {
                    self.give_up();
                    length
                }
            };
        }
        let held_from = self.hold(piece);
        if done.copied {
            self.out.extend_from_slice(piece.get(done.to..held_from).unwrap_or_default());
            Forward::Copied(&self.out)
        } else {
            Forward::Piece(0..held_from)
        }
    }

    /// What is still held when the answer has ended: an id without an end.
    pub fn finish(self) -> Vec<u8> {
        self.held
    }

    fn walk(&mut self, piece: &[u8], from: usize, to: usize, done: &mut Done, tagger: &dyn Tagger) {
        let mut at = from;
        loop {
            match self.walker.advance(piece.get(at..to).unwrap_or_default()) {
                Progress::Pending => return,
                Progress::Event(length) => at += length,
                Progress::Value(length) => {
                    at += length;
                    self.value(piece, at, done, tagger);
                }
            }
        }
    }

    /// A value ends at `end`.
    fn value(&mut self, piece: &[u8], end: usize, done: &mut Done, tagger: &dyn Tagger) {
        let Some((slot, value)) = self.walker.given() else { return self.release() };
        let start = end.saturating_sub(value.len().saturating_sub(self.held.len()));
        let before = self.out.len();
        self.out.extend_from_slice(piece.get(done.to..start).unwrap_or_default());
        if write::write(slot, value, tagger, &mut self.out) {
            self.held.clear();
            (done.to, done.copied) = (end, true);
        } else {
            self.out.truncate(before);
            self.release();
        }
    }

    /// What was held goes on as it is. It came before everything in this piece, of which nothing has gone on yet.
    fn release(&mut self) {
        self.out.append(&mut self.held);
    }

    /// The document is over, whole or not.
    fn give_up(&mut self) {
        self.release();
        self.walker.reset();
    }

    /// Keeps the value at the piece's end that is not whole; from where on.
    fn hold(&mut self, piece: &[u8]) -> usize {
        let Some(value) = self.walker.unfinished() else {
            self.release();
            return piece.len();
        };
        let from = piece.len().saturating_sub(value.len().saturating_sub(self.held.len()));
        self.held.extend_from_slice(piece.get(from..).unwrap_or_default());
        from
    }
}
