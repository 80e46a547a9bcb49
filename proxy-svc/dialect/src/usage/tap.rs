//! The side tap: sees an answer's bytes pass, in whatever pieces they come, and says in the end what it was.
//!
//! Memory does not grow with the answer: what is held is a cut line up to 16 KiB and the few values that are asked
//! for (a usage object up to 64 KiB; a larger one is no usage object). How the bytes are cut changes nothing.

use super::{Lines, Observed, Piece, Progress};
use crate::Protocol;
use crate::dialect::Dialect;
use crate::endpoint::Operation;
use crate::json::walk::{self, Slot, Walker};

/// A plain answer of this many bytes without an error at its beginning is an answer.
const COMMITTED_BYTES: usize = 4 << 10;

pub struct Tap {
    dialect: &'static dyn Dialect,
    is_metered: bool,
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
        Self {
            dialect,
            is_metered: operation.is_metered(),
            mode: if may_be_text(content_type) { Mode::Unknown } else { Mode::Opaque },
            lines: Lines::default(),
            walker: Walker::new(dialect.select()),
            events: Events { between: true, ..Events::default() },
            progress: Progress::default(),
            seen_bytes: 0,
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.seen_bytes = self.seen_bytes.saturating_add(bytes.len());
        if self.mode == Mode::Unknown {
            self.mode = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => Mode::Unknown,
                Some(b'{' | b'[') => Mode::Json,
                Some(_) => Mode::Events,
            };
        }
        match self.mode {
            Mode::Json => {
                walk(self.dialect, &mut self.walker, &mut self.progress, bytes);
                self.progress.complete |= !self.walker.is_open();
                self.progress.started |=
                    self.progress.error.is_none() && (self.progress.complete || self.seen_bytes > COMMITTED_BYTES);
            }
            Mode::Events => self.feed_events(bytes),
            Mode::Unknown => {}
            Mode::Opaque => self.progress.started |= !bytes.is_empty(),
        }
    }

    fn feed_events(&mut self, bytes: &[u8]) {
        let Self { dialect, lines, walker, events, progress, .. } = self;
        lines.feed(bytes, &mut |piece| events.take(*dialect, walker, progress, piece));
    }

    /// Whether something that the model made has come: from here on another upstream cannot take over.
    pub const fn semantic_started(&self) -> bool {
        self.progress.started
    }

    /// The error that came instead of an answer, or in the middle of one.
    pub const fn error(&self) -> Option<&super::ProviderError> {
        self.progress.error.as_ref()
    }

    /// Whether the protocol's own end has come.
    pub const fn is_complete(&self) -> bool {
        self.progress.complete
    }

    /// Whether what came so far ends with a whole event, so that another may be put behind it.
    pub fn is_after_whole_event(&self) -> bool {
        self.mode != Mode::Events || (self.events.between && self.lines.is_at_line_start())
    }

    pub fn finish(mut self) -> Observed {
        if self.mode == Mode::Events {
            let Self { dialect, lines, walker, events, progress, .. } = &mut self;
            lines.finish(&mut |piece| events.take(*dialect, walker, progress, piece));
            events.end(*dialect, walker, progress);
        }
        let Self { dialect, progress, .. } = self;
        let usage = self.is_metered && progress.reported.is_some();
        Observed {
            usage: usage.then(|| dialect.settle(&progress.reported)),
            raw: if self.is_metered { progress.raw_text() } else { None },
            complete: progress.complete || (self.mode == Mode::Opaque),
            error: progress.error,
            model: progress.model,
            semantic_started: progress.started,
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
                    Part::First => data(part).or_else(|| bare(walker, part)),
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
        if let Some(payload) = data(line) {
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
            self.walk(dialect, walker, progress, payload);
        } else if let Some(payload) = bare(walker, line) {
            self.walk(dialect, walker, progress, payload);
        } else if let Some(name) = line.strip_prefix(b"event:") {
            self.named_error = name.trim_ascii() == b"error";
        }
    }

    fn walk(&mut self, dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress, payload: &[u8]) {
        walk(dialect, walker, progress, payload);
        if self.named_error && !walker.is_open() {
            progress.fail(payload);
        }
    }

    /// A blank line: what did not end with it will not.
    fn end(&mut self, dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress) {
        if walker.is_open() {
            // A cut event may hold figures that were told before the cut.
            dialect.observe(&walker.kept, progress);
            walker.reset();
        }
        self.between = true;
        self.named_error = false;
    }
}

fn walk(dialect: &dyn Dialect, walker: &mut Walker, progress: &mut Progress, bytes: &[u8]) {
    let mut rest = bytes;
    while let walk::Progress::Event(end) = walker.advance(rest) {
        progress.started |= walker.kept.evidence;
        dialect.observe(&walker.kept, progress);
        if let Some(error) = walker.kept.get(Slot::Error) {
            progress.fail(error);
        }
        walker.kept.clear();
        rest = rest.get(end..).unwrap_or_default();
    }
    progress.started |= walker.kept.evidence;
}

fn data(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
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
