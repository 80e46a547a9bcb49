//! A stream for a caller of Gemini's protocol: chunks in the shape of whole answers, as events or as one JSON array.
//!
//! Texts and thoughts go out as they come. A call can only be said whole: its arguments are collected until it ends.
//! Why the model stopped is told in the last chunk, together with the usage, which is known only then. A refusal waits
//! for that, too: it is the model's text, or a filter's explanation.

use super::write_answer::write_signature;
use super::{finish, log_probabilities, usage_metadata};
use crate::Protocol;
use crate::canonical::{Arguments, BlockStart, Delta, Event, Finish, Signature, Text};
use crate::json::write::Object;
use crate::translate::{Seal, StreamWriter, Terms, calls};
use crate::usage::Usage;

pub(super) struct Writer {
    request_id: String,
    is_events: bool,
    has_begun: bool,
    /// What each chunk ends with, as members of an object.
    tail: Vec<u8>,
    calls: usize,
    open: Vec<OpenCall>,
    /// By choice, as they stand inside a JSON string.
    refusals: Vec<(u32, Vec<u8>)>,
    finished: Vec<(u32, Finish)>,
    blocked: Option<Text<'static>>,
}

/// A call whose arguments are not whole.
struct OpenCall {
    choice: u32,
    id: Text<'static>,
    name: Text<'static>,
    signature: Option<Signature<'static>>,
    /// As they stand inside a JSON string: two pieces may share a character.
    arguments: Vec<u8>,
}

impl Writer {
    pub(super) fn new(terms: &Terms<'_>) -> Self {
        Self {
            request_id: terms.id.to_owned(),
            is_events: terms.events,
            has_begun: false,
            tail: tail(&Text::from(terms.model), terms.id),
            calls: 0,
            open: Vec::new(),
            refusals: Vec::new(),
            finished: Vec::new(),
            blocked: None,
        }
    }

    /// Writes one chunk: an event, or an element of the array.
    fn chunk(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let before: &[u8] = match (self.is_events, self.has_begun) {
            (true, _) => b"data: ",
            (false, false) => b"[",
            (false, true) => b",\r\n",
        };
        self.has_begun = true;
        out.extend_from_slice(before);
        let from = out.len();
        let mut object = Object::begin(out);
        write(&mut object);
        object.members(&self.tail);
        drop(object);
        // Models break lines in their arguments, and a line's end would be the event's.
        for byte in out.get_mut(from..).unwrap_or_default() {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.extend_from_slice(if self.is_events { b"\n\n" } else { b"\n" });
    }

    /// Writes a chunk with one part.
    fn part(&mut self, choice: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.chunk(out, |object| {
            let mut candidates = object.array("candidates");
            let mut candidate = candidates.object();
            write_content(&mut candidate, write);
            candidate.count("index", u64::from(choice));
        });
    }

    fn delta(&mut self, choice: u32, delta: &Delta<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) if !text.is_empty() => {
                self.part(choice, out, |part| _ = part.text("text", text));
            }
            Delta::Refusal(text) => {
                if !self.refusals.iter().any(|(refused, _)| *refused == choice) {
                    self.refusals.push((choice, Vec::new()));
                }
                let mut refusals = self.refusals.iter_mut();
                if let Some((_, refusal)) = refusals.find(|(refused, _)| *refused == choice) {
                    text.write_escaped(refusal);
                }
            }
            Delta::Reasoning(text) if !text.is_empty() => {
                self.part(choice, out, |part| _ = part.text("text", text).boolean("thought", true));
            }
            Delta::Signature(signature) => self.part(choice, out, |part| {
                part.string("text", "").boolean("thought", true);
                write_signature(signature, seal, part);
            }),
            Delta::Arguments(text) => {
                if let Some(call) = self.open(choice) {
                    text.write_escaped(&mut call.arguments);
                }
            }
            Delta::WholeArguments(value) => {
                if let Some(call) = self.open(choice) {
                    Text::from(value.raw()).write_escaped(&mut call.arguments);
                }
            }
            Delta::Text(_) | Delta::Reasoning(_) => {}
        }
    }

    fn open(&mut self, choice: u32) -> Option<&mut OpenCall> {
        self.open.iter_mut().find(|call| call.choice == choice)
    }

    fn start(&mut self, choice: u32, block: &BlockStart<'_>, seal: &dyn Seal) {
        let BlockStart::ToolCall { id, name, signature, .. } = block else { return };
        let own = |signature: &&Signature<'_>| signature.origin == Protocol::Gemini;
        let index = self.calls;
        let id = calls::id_for_caller(Protocol::Gemini, &self.request_id, seal, index, id.as_ref(), signature.as_ref());
        self.calls += 1;
        self.open.retain(|call| call.choice != choice);
        self.open.push(OpenCall {
            choice,
            id: id.into_owned(),
            name: name.clone().into_owned(),
            signature: signature
                .as_ref()
                .filter(own)
                .map(|found| Signature { origin: found.origin, value: found.value.clone().into_owned() }),
            arguments: Vec::new(),
        });
    }

    fn end(&mut self, choice: u32, seal: &dyn Seal, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|call| call.choice == choice) else { return };
        let call = self.open.swap_remove(at);
        let arguments = Arguments::Written(escaped(&call.arguments));
        self.part(choice, out, |part| {
            {
                let mut function = part.object("functionCall");
                function.text("id", &call.id).text("name", &call.name);
                arguments.write_as_object(&mut function, "args");
            }
            if let Some(signature) = &call.signature {
                write_signature(signature, seal, part);
            }
        });
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, _usage: Option<&Usage>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match event {
            Event::Start { model, .. } => {
                if let Some(model) = model.as_ref().filter(|model| !model.is_empty()) {
                    self.tail = tail(model, &self.request_id);
                }
            }
            Event::BlockStart { choice, block } => self.start(*choice, block, seal),
            Event::Delta { choice, delta } => self.delta(*choice, delta, seal, out),
            Event::BlockEnd { choice } => self.end(*choice, seal, out),
            Event::LogProbabilities { choice, json } => self.chunk(out, |object| {
                let mut candidates = object.array("candidates");
                let mut candidate = candidates.object();
                write_content(&mut candidate, |part| _ = part.string("text", ""));
                candidate.count("index", u64::from(*choice));
                log_probabilities::write(&mut candidate, json);
            }),
            Event::Finish { choice, finish, .. } => {
                self.finished.retain(|(finished, _)| finished != choice);
                self.finished.push((*choice, *finish));
            }
            Event::Blocked(reason) => self.blocked = Some(reason.clone().into_owned()),
            Event::Error(_) => {}
        }
    }

    fn finish(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>) {
        let mut finished = std::mem::take(&mut self.finished);
        finished.sort_unstable_by_key(|(choice, _)| *choice);
        if finished.is_empty() {
            // The provider said nothing at all; the SDKs look into the first candidate.
            finished.push((0, Finish::Stop));
        }
        let blocked = self.blocked.take();
        let mut explanations = Vec::new();
        for (choice, refusal) in std::mem::take(&mut self.refusals) {
            if finished.contains(&(choice, Finish::ContentFilter)) {
                explanations.push((choice, refusal));
            } else {
                self.part(choice, out, |part| _ = part.text("text", &escaped(&refusal)));
            }
        }
        self.chunk(out, |object| {
            if let Some(reason) = &blocked {
                finish::write_blocked(object, reason);
            } else {
                let mut candidates = object.array("candidates");
                for (choice, finish) in finished {
                    let mut candidate = candidates.object();
                    write_content(&mut candidate, |part| _ = part.string("text", ""));
                    candidate.string("finishReason", finish::word(finish)).count("index", u64::from(choice));
                    if let Some((_, text)) = explanations.iter().find(|(explained, _)| *explained == choice) {
                        candidate.text("finishMessage", &escaped(text));
                    }
                }
            }
            if let Some(usage) = usage {
                usage_metadata::write(object, usage);
            }
        });
        if !self.is_events {
            out.extend_from_slice(b"]\n");
        }
    }
}

/// The inside of a JSON string that came in pieces.
fn escaped(inside: &[u8]) -> Text<'_> {
    Text::Escaped(std::str::from_utf8(inside).unwrap_or_default())
}

fn tail(model: &Text<'_>, id: &str) -> Vec<u8> {
    let mut members = Vec::new();
    Object::begin(&mut members).text("modelVersion", model).string("responseId", id);
    members.pop();
    members.remove(0);
    members
}

fn write_content(candidate: &mut Object<'_>, write: impl FnOnce(&mut Object<'_>)) {
    let mut content = candidate.object("content");
    {
        let mut parts = content.array("parts");
        write(&mut parts.object());
    }
    content.string("role", "model");
}
