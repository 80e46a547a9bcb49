//! The side tap: sees an answer's bytes pass, in whatever pieces they come, and says in the end what it was.
//!
//! Memory does not grow with the answer: what is held is a cut line up to 16 KiB and the few values that are asked
//! for (a usage object up to 64 KiB; a larger one is no usage object). How the bytes are cut changes nothing.

use super::{Lines, Observed, PENDING_LIMIT, Piece, Progress};
use crate::Protocol;
use crate::dialect::Dialect;
use crate::endpoint::Operation;
use crate::json::walk::{self, Slot, Walker};
use crate::translate::Task;

/// A plain answer of this many bytes without an error at its beginning is an answer.
const COMMITTED_BYTES: usize = 4 << 10;

pub struct Tap {
    dialect: &'static dyn Dialect,
    is_metered: bool,
    /// The operation's answers are JSON or events, whatever their content type says.
    answers_json: bool,
    mode: Mode,
    lines: Lines,
    walker: Walker,
    events: Events,
    progress: Progress,
    seen_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The first byte that is no space decides: error bodies and event streams come under each other's content type.
    Unknown,
    Json,
    Events,
    /// Neither: audio, files, lines of JSON.
    Opaque,
}

/// Where in an event the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Events {
    /// The last line ended an event.
    between: bool,
    /// How many have come: each has one line of data.
    count: u64,
    named_error: bool,
    /// The long line that comes in parts: not yet known what it is, or whether it is data.
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    First,
    Data,
    Other,
}

impl Tap {
    /// For an answer of an upstream that speaks `protocol`; `content_type` is the answer's.
    pub fn for_answer(protocol: Protocol, operation: Operation, content_type: Option<&str>) -> Self {
        let dialect = protocol.dialect();
        let answers_json = Task::of(protocol, operation).is_some();
        Self {
            dialect,
            is_metered: operation.is_metered(),
            answers_json,
            mode: if answers_json || may_be_text(content_type) { Mode::Unknown } else { Mode::Opaque },
            lines: Lines::default(),
            walker: Walker::new(dialect.select()),
            events: Events { between: true, ..Events::default() },
            progress: Progress::default(),
            seen_bytes: 0,
        }
    }

    /// Takes the next piece of the answer.
    pub fn feed(&mut self, piece: &[u8]) {
        self.seen_bytes = self.seen_bytes.saturating_add(piece.len());
        let mut bytes = piece;
        if self.mode == Mode::Unknown {
            bytes = piece.trim_ascii_start();
            self.mode = match bytes.first() {
                None => Mode::Unknown,
                Some(b'{' | b'[') => Mode::Json,
                Some(_) => Mode::Events,
            };
        }
        let Self { dialect, lines, walker, events, progress, .. } = self;
        match self.mode {
            Mode::Json => walk(*dialect, walker, progress, bytes),
            Mode::Events => lines.feed(bytes, &mut |piece| events.take(*dialect, walker, progress, piece)),
            Mode::Unknown | Mode::Opaque => {}
        }
    }

    /// Whether something that the model made has come: from here on another upstream cannot take over.
    pub fn semantic_started(&self) -> bool {
        match self.mode {
            Mode::Unknown => false,
            Mode::Events => self.progress.started,
            Mode::Json => self.progress.error.is_none() && (self.is_complete() || self.seen_bytes > COMMITTED_BYTES),
            Mode::Opaque => self.seen_bytes > 0,
        }
    }

    /// Whether the provider refused the prompt in what is formally an answer: the model made nothing.
    pub const fn is_blocked(&self) -> bool {
        self.progress.blocked
    }

    /// The error that came instead of an answer, or in the middle of one.
    pub const fn error(&self) -> Option<&super::ProviderError> {
        self.progress.error.as_ref()
    }

    /// Whether the protocol's own end has come: of a plain answer, the end of its JSON. What is neither JSON nor events
    /// has no end of its own.
    pub fn is_complete(&self) -> bool {
        match self.mode {
            Mode::Unknown => false,
            Mode::Events => self.progress.complete,
            Mode::Json => !self.walker.is_open(),
            Mode::Opaque => true,
        }
    }

    /// Whether all that came is no whole answer, where that can be told: nothing at all, JSON without its end, or
    /// something else (a page of HTML) where an answer is JSON.
    pub fn lacks_its_end(&self) -> bool {
        match self.mode {
            Mode::Unknown => true,
            Mode::Json => self.walker.is_open(),
            Mode::Events => self.answers_json && !self.progress.started && !self.progress.complete,
            Mode::Opaque => false,
        }
    }

    /// The figures that the provider told up to now; `None` while it told none.
    pub fn usage_so_far(&self) -> Option<super::Usage> {
        let told = self.is_metered && self.progress.reported.is_some();
        told.then(|| self.dialect.settle(&self.progress.reported))
    }

    /// Whether what came so far ends with a whole event, so that another may be put behind it.
    pub fn is_after_whole_event(&self) -> bool {
        self.mode != Mode::Events || (self.events.between && self.lines.is_at_line_start())
    }

    /// How many events have come, comments not counted.
    pub const fn events(&self) -> u64 {
        self.events.count
    }

    pub fn finish(mut self) -> Observed {
        if self.mode == Mode::Events {
            let Self { dialect, lines, walker, events, progress, .. } = &mut self;
            lines.finish(&mut |piece| events.take(*dialect, walker, progress, piece));
        }
        let (complete, semantic_started) = (self.is_complete(), self.semantic_started());
        abandon(self.dialect, &mut self.walker, &mut self.progress);
        let usage = self.usage_so_far();
        let mut progress = self.progress;
        Observed {
            usage,
            raw: if self.is_metered { progress.take_raw() } else { None },
            complete,
            error: progress.error,
            model: progress.model,
            semantic_started,
        }
    }
}

impl Events {
    fn take(&mut self, dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress, piece: Piece<'_>) {
        match piece {
            Piece::Line(b"") => self.end(dialect, walker, progress),
            Piece::Line(line) => {
                self.between = false;
                self.line(dialect, walker, progress, line);
            }
            Piece::Part(part) => {
                self.between = false;
                let payload = match self.part {
                    Part::First => self.data(part).or_else(|| bare(walker, part)),
                    Part::Data => Some(part),
                    Part::Other => None,
                };
                self.part = if payload.is_some() { Part::Data } else { Part::Other };
                walk(dialect, walker, progress, payload.unwrap_or_default());
            }
            Piece::PartEnd => self.part = Part::First,
        }
    }

    fn line(&mut self, dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress, line: &[u8]) {
        if let Some(payload) = self.data(line) {
            let payload = payload.trim_ascii();
            if !walker.is_open() {
                if dialect.is_end_marker(payload) {
                    progress.complete = true;
                    return;
                }
                if progress.started && is_object(payload) && !self.named_error && !dialect.is_interesting(payload) {
                    return;
                }
            }
            walk(dialect, walker, progress, payload);
            // Whatever an `error` event holds, be it no JSON, is one; a long line is not kept for it.
            if self.named_error && !walker.is_inside() && line.len() <= PENDING_LIMIT {
                progress.fail(payload);
            }
        } else if let Some(payload) = bare(walker, line) {
            walk(dialect, walker, progress, payload);
        } else if let Some(name) = line.strip_prefix(b"event:") {
            self.named_error = name.trim_ascii() == b"error";
        }
    }

    fn data<'a>(&mut self, line: &'a [u8]) -> Option<&'a [u8]> {
        let value = line.strip_prefix(b"data:")?;
        self.count += 1;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    }

    /// A blank line: what did not end with it will not.
    fn end(&mut self, dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress) {
        abandon(dialect, walker, progress);
        self.between = true;
        self.named_error = false;
    }
}

/// Gives a document up that will not end. It may hold figures that were whole before the cut.
fn abandon(dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress) {
    if walker.is_open() {
        walker.drop_unfinished();
        dialect.observe(&mut walker.kept, progress);
        walker.reset();
    }
}

fn walk(dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress, bytes: &[u8]) {
    let mut rest = bytes;
    while let walk::Progress::Event(end) = walker.advance(rest) {
        progress.started |= walker.kept.evidence;
        if let Some(error) = walker.kept.get(Slot::Error) {
            progress.fail(error);
        }
        dialect.observe(&mut walker.kept, progress);
        walker.kept.clear();
        rest = rest.get(end..).unwrap_or_default();
    }
    progress.started |= walker.kept.evidence;
}

/// A line of JSON without a field name: how Gemini writes an error into a stream.
fn bare<'a>(walker: &Walker, line: &'a [u8]) -> Option<&'a [u8]> {
    (walker.is_open() || line.starts_with(b"{")).then_some(line)
}

fn is_object(payload: &[u8]) -> bool {
    payload.starts_with(b"{") && payload.ends_with(b"}")
}

/// JSON, an event stream, or something that may be either.
fn may_be_text(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("text/event-stream") {
        return true;
    }
    let essence = essence.to_ascii_lowercase();
    essence.is_empty() || essence.ends_with("+json") || essence.starts_with("text/plain")
}
