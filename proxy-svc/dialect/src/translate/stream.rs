//! An upstream's stream → the caller's, in one pass, event by event.

use super::frames::{Frames, TooLong};
use super::{Format, Frame, Names, Seal, StreamReader, StreamWriter};
use crate::canonical::{BlockStart, Delta, Event, Text};
use crate::usage::{Observed, ProviderError, Tap, Usage};

/// What a caller's answer is written with.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The request's id, from which the answer's is made.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// For an answer that names no model.
    pub model: &'a str,
    /// The caller of chat completions asked for usage in its stream.
    pub include_usage: bool,
    /// Gemini's stream as server-sent events (`alt=sse`) and not as a JSON array.
    pub events: bool,
    /// What the caller's codec wants to repeat of the request.
    pub echo: &'a [u8],
    pub seal: &'a dyn Seal,
}

/// Translates one stream. Nothing is held but an event that is not whole, and what the caller's protocol can only say
/// at once.
///
/// Events are fed to the usage tap one at a time, so that what the caller is told does not depend on how the stream
/// was cut, and comes from the object that is billed.
pub struct StreamTranslator {
    frames: Frames,
    work: Work,
}

struct Work {
    tap: Tap,
    reader: Box<dyn StreamReader>,
    writer: Box<dyn StreamWriter>,
    names: Names,
    error: Option<ProviderError>,
    /// Something that the model made was written.
    semantic: bool,
    /// The model said why it stopped.
    finished: bool,
}

impl StreamTranslator {
    /// From an upstream's format into the caller's. `names` are those that the request was written with.
    pub fn new(from: Format, to: Format, terms: &Terms<'_>, names: Names) -> Self {
        Self {
            frames: Frames::default(),
            work: Work {
                tap: Tap::for_answer(from.protocol(), from.operation(true), Some("text/event-stream")),
                reader: from.codec().stream_reader(),
                writer: to.codec().stream_writer(terms),
                names,
                error: None,
                semantic: false,
                finished: false,
            },
        }
    }

    /// Takes the next piece and appends what it comes to for the caller: whole events, or nothing.
    pub fn feed(&mut self, piece: &[u8], seal: &dyn Seal, out: &mut Vec<u8>) {
        let Self { frames, work } = self;
        if let Err(TooLong) = frames.feed(piece, &mut |frame| work.take(&frame, seal, out)) {
            work.fail(ProviderError::malformed("an event of the stream is too long"));
        }
    }

    /// Takes the end of the stream and appends the caller's. Returns whether it came to its proper end: when it did
    /// not, or an error came, nothing is appended, and the caller is to be told of the error.
    pub fn finish(&mut self, seal: &dyn Seal, out: &mut Vec<u8>) -> bool {
        let Self { frames, work } = self;
        frames.finish(&mut |frame| work.take(&frame, seal, out));
        if work.error.is_some() || !(work.finished || work.tap.is_complete()) {
            return false;
        }
        work.end(seal, out);
        work.error.is_none()
    }

    /// The provider's error in the stream. Nothing is written for the caller from there on.
    pub const fn error(&self) -> Option<&ProviderError> {
        self.work.error.as_ref()
    }

    /// Whether something that the model made was written: from here on another upstream cannot take over.
    pub const fn semantic_started(&self) -> bool {
        self.work.semantic
    }

    pub fn usage_so_far(&self) -> Option<Usage> {
        self.work.tap.usage_so_far()
    }

    /// What the stream turned out to be, for the bill.
    pub fn into_observed(self) -> Observed {
        let finished = self.work.finished;
        let mut observed = self.work.tap.finish();
        observed.complete |= finished;
        observed.error = observed.error.or(self.work.error);
        observed
    }
}

impl Work {
    fn take(&mut self, frame: &Frame<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        self.tap.feed(frame.raw);
        if self.error.is_some() {
            return;
        }
        let Self { tap, reader, writer, names, error, semantic, finished } = self;
        let usage = || tap.usage_so_far();
        reader.read(frame, &mut |event| {
            pass(event, writer.as_mut(), names, (error, semantic, finished), &usage, seal, out);
        });
    }

    fn end(&mut self, seal: &dyn Seal, out: &mut Vec<u8>) {
        let Self { tap, reader, writer, names, error, semantic, finished } = self;
        let usage = || tap.usage_so_far();
        reader.finish(&mut |event| {
            pass(event, writer.as_mut(), names, (error, semantic, finished), &usage, seal, out);
        });
        if error.is_none() {
            writer.finish(usage().as_ref(), out);
        }
    }

    fn fail(&mut self, error: ProviderError) {
        if self.error.is_none() {
            self.error = Some(error);
        }
    }
}

/// Gives one event to the writer, and remembers what it means.
fn pass(
    event: Event<'_>,
    writer: &mut dyn StreamWriter,
    names: &Names,
    (error, semantic, finished): (&mut Option<ProviderError>, &mut bool, &mut bool),
    usage: &dyn Fn() -> Option<Usage>,
    seal: &dyn Seal,
    out: &mut Vec<u8>,
) {
    if error.is_some() {
        return;
    }
    let mut told = None;
    match &event {
        Event::Error(found) => {
            *error = Some(found.clone());
            return;
        }
        Event::Start { .. } => told = usage(),
        Event::Finish { .. } | Event::Blocked(_) => {
            told = usage();
            *semantic = true;
            *finished = true;
        }
        Event::Delta { delta, .. } => *semantic |= !is_empty(delta),
        Event::BlockStart { block, .. } => *semantic |= matches!(block, BlockStart::ToolCall { .. }),
        Event::BlockEnd { .. } | Event::LogProbabilities { .. } => {}
    }
    if !names.is_empty()
        && let Event::BlockStart { choice, block: BlockStart::ToolCall { id, name, is_custom, signature } } = &event
    {
        let shown = name.decode();
        let name = Text::plain(names.original(&shown));
        let (id, is_custom, signature) = (id.clone(), *is_custom, signature.clone());
        let block = BlockStart::ToolCall { id, name, is_custom, signature };
        writer.write(&Event::BlockStart { choice: *choice, block }, None, seal, out);
        return;
    }
    writer.write(&event, told.as_ref(), seal, out);
}

fn is_empty(delta: &Delta<'_>) -> bool {
    match delta {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => text.is_empty(),
        Delta::Signature(_) | Delta::WholeArguments(_) => false,
    }
}
