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
    tap: Tap,
    reader: Box<dyn StreamReader>,
    teller: Teller,
}

/// The caller's side: what is told, and what it means.
struct Teller {
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
        let (writer, reader) = (to.codec().stream_writer(terms), from.codec().stream_reader());
        Self {
            frames: Frames::default(),
            tap: Tap::for_answer(from.protocol(), from.operation(true), Some("text/event-stream")),
            reader,
            teller: Teller { writer, names, error: None, semantic: false, finished: false },
        }
    }

    /// Takes the next piece and appends what it comes to for the caller: whole events, or nothing.
    pub fn feed(&mut self, piece: &[u8], seal: &dyn Seal, out: &mut Vec<u8>) {
        let Self { frames, tap, reader, teller } = self;
        if let Err(TooLong) = frames.feed(piece, &mut |frame| take(&frame, tap, reader.as_mut(), teller, seal, out)) {
            teller.error.get_or_insert_with(|| ProviderError::malformed("an event of the stream is too long"));
        }
    }

    /// Takes the end of the stream and appends the caller's. Returns whether it came to its proper end: when it did
    /// not, or an error came, nothing is appended, and the caller is to be told of the error.
    pub fn finish(&mut self, seal: &dyn Seal, out: &mut Vec<u8>) -> bool {
        let Self { frames, tap, reader, teller } = self;
        frames.finish(&mut |frame| {
            // What the upstream was cut off in is no event.
            if frame.is_whole() {
                take(&frame, tap, reader.as_mut(), teller, seal, out);
            }
        });
        if teller.error.is_some() || !(teller.finished || tap.is_complete()) {
            return false;
        }
        reader.finish(&mut |event| teller.tell(&event, tap, seal, out));
        if teller.error.is_some() {
            return false;
        }
        teller.writer.finish(tap.usage_so_far().as_ref(), out);
        true
    }

    /// The provider's error in the stream. Nothing is written for the caller from there on.
    pub const fn error(&self) -> Option<&ProviderError> {
        self.teller.error.as_ref()
    }

    /// How many events were written, for a protocol that numbers them.
    pub fn events(&self) -> u64 {
        self.teller.writer.events()
    }

    /// Whether something that the model made was written: from here on another upstream cannot take over.
    pub const fn semantic_started(&self) -> bool {
        self.teller.semantic
    }

    /// Whether the provider refused the prompt in what is formally an answer.
    pub const fn is_blocked(&self) -> bool {
        self.tap.is_blocked()
    }

    pub fn usage_so_far(&self) -> Option<Usage> {
        self.tap.usage_so_far()
    }

    /// What the stream turned out to be, for the bill.
    pub fn into_observed(self) -> Observed {
        let Teller { error, finished, .. } = self.teller;
        let mut observed = self.tap.finish();
        observed.complete |= finished;
        observed.error = observed.error.or(error);
        observed
    }
}

/// Gives one event to the tap, and what the reader makes of it to the caller.
fn take(
    frame: &Frame<'_>,
    tap: &mut Tap,
    reader: &mut dyn StreamReader,
    teller: &mut Teller,
    seal: &dyn Seal,
    out: &mut Vec<u8>,
) {
    tap.feed(frame.raw);
    if teller.error.is_none() {
        reader.read(frame, &mut |event| teller.tell(&event, tap, seal, out));
    }
}

impl Teller {
    fn tell(&mut self, event: &Event<'_>, tap: &Tap, seal: &dyn Seal, out: &mut Vec<u8>) {
        if self.error.is_some() {
            return;
        }
        let mut told = None;
        match event {
            Event::Error(found) => {
                self.error = Some(found.clone());
                return;
            }
            Event::Start { .. } => told = tap.usage_so_far(),
            Event::Finish { .. } | Event::Blocked(_) => {
                told = tap.usage_so_far();
                self.semantic = true;
                self.finished = true;
            }
            Event::Delta { delta, .. } => self.semantic |= !is_empty(delta),
            Event::BlockStart { block, .. } => self.semantic |= matches!(block, BlockStart::ToolCall { .. }),
            Event::BlockEnd { .. } | Event::LogProbabilities { .. } => {}
        }
        match renamed(&self.names, event) {
            Some(renamed) => self.writer.write(&renamed, None, seal, out),
            None => self.writer.write(event, told.as_ref(), seal, out),
        }
    }
}

/// A call under the caller's own name of the tool, where the request had to be written with another.
fn renamed<'e>(names: &Names, event: &Event<'e>) -> Option<Event<'e>> {
    let Event::BlockStart { choice, block: BlockStart::ToolCall { id, name, is_custom, signature } } = event else {
        return None;
    };
    if names.is_empty() {
        return None;
    }
    let name = Text::from(names.original(&name.decode()).to_owned());
    let (id, signature) = (id.clone(), signature.clone());
    let block = BlockStart::ToolCall { id, name, is_custom: *is_custom, signature };
    Some(Event::BlockStart { choice: *choice, block })
}

fn is_empty(delta: &Delta<'_>) -> bool {
    match delta {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => text.is_empty(),
        Delta::Signature(_) | Delta::WholeArguments(_) => false,
    }
}
