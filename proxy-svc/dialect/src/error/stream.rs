//! Errors inside a stream that has begun with a 200.

use super::{ErrorBody, to_json};
use crate::Protocol;
use crate::endpoint::Operation;

/// How a stream's events stand in its bytes, and in whose protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    protocol: Protocol,
    shape: Shape,
}

/// How an error stands among the events of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `data:` lines alone: OpenAI's chat and legacy completions.
    Data,
    /// `event:` and `data:` lines.
    Events,
    /// The same, with a number in each: OpenAI's responses, images and audio.
    NumberedEvents,
    /// `data:` lines, but an error stands there bare: Gemini's.
    Bare,
    /// One JSON array, of which at least one element went out: Gemini without `alt=sse`.
    Array,
    /// The same, of which nothing went out.
    ArrayStart,
}

impl Framing {
    /// How a stream of an operation is framed; `events` is whether Gemini was asked for server-sent events.
    pub fn of(protocol: Protocol, operation: Operation, events: bool) -> Self {
        Self { protocol, shape: protocol.dialect().framing(operation, events) }
    }

    /// The same for a stream of which nothing went out, where that makes a difference.
    #[must_use]
    pub const fn at_start(self) -> Self {
        match self.shape {
            Shape::Array => Self { shape: Shape::ArrayStart, ..self },
            _ => self,
        }
    }
}

/// The bytes of a mid-stream error on which the official SDKs raise. `after_whole_event` is whether what was sent so
/// far ends with a whole event (or nothing was sent yet): a cut one is ended first, so that it does not swallow the
/// error. `number` is the error's own among the stream's events, from 0, for a protocol that numbers them.
///
/// They must be written at once, on their own: Google's JavaScript SDK sees a bare error only when a network chunk is
/// nothing else.
pub fn stream_event(framing: Framing, error: &ErrorBody<'_>, after_whole_event: bool, number: u64) -> Vec<u8> {
    let body = framing.protocol.dialect().error_body(error);
    let mut out = Vec::with_capacity(body.len() + 64);
    match framing.shape {
        Shape::Array | Shape::ArrayStart => {
            out.extend_from_slice(if framing.shape == Shape::Array { b",\n" } else { b"[" });
            out.extend_from_slice(&body);
            out.extend_from_slice(b"\n]\n");
            return out;
        }
        _ if !after_whole_event => out.extend_from_slice(b"\n\n"),
        _ => {}
    }
    match framing.shape {
        Shape::Data => out.extend_from_slice(b"data: "),
        Shape::Events | Shape::NumberedEvents => out.extend_from_slice(b"event: error\ndata: "),
        Shape::Bare | Shape::Array | Shape::ArrayStart => {}
    }
    match framing.shape {
        Shape::NumberedEvents => out.extend_from_slice(&responses_event(error, number)),
        _ => out.extend_from_slice(&body),
    }
    out.extend_from_slice(b"\n\n");
    out
}

/// The Responses API's error event says its fields at the top; the official SDKs raise only on an `error` member, so
/// both are there.
fn responses_event(error: &ErrorBody<'_>, sequence_number: u64) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Event<'a> {
        r#type: &'a str,
        code: &'a str,
        message: &'a str,
        param: Option<&'a str>,
        sequence_number: u64,
        error: crate::openai::Inner<'a>,
    }
    to_json(&Event {
        r#type: "error",
        code: error.kind.code(),
        message: error.message,
        param: error.param,
        sequence_number,
        error: crate::openai::Inner::new(error),
    })
}
