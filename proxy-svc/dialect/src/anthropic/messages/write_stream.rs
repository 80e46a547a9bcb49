//! A stream for a caller: one block open at a time, and the usage of all of it at the end.
//!
//! A block is begun when there is something in it, because an empty one cannot be sent back in the next turn. How the
//! message ends is said last: some providers tell their usage behind everything else.

use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text};
use crate::json::Kind;
use crate::json::write::Object;
use crate::translate::{Seal, StreamWriter, Terms, UNSIGNED, calls};
use crate::usage::Usage;

use super::thoughts::Proof;
use super::write_answer::{BLOCKED, id, write_details};
use super::{finish, usage};

/// Only the first answer is shown: a caller of this protocol can ask for no more.
const CHOICE: u32 = 0;

pub(super) struct Writer {
    id: String,
    request_id: String,
    model: String,
    has_started: bool,
    open: Open,
    /// The number of the next block.
    index: u64,
    calls: usize,
    /// What stands in front of the text of each delta of the open block.
    prefix: Vec<u8>,
    /// The proof of the open thought, which stands at its end.
    proof: Option<(bool, String)>,
    refusal: Option<String>,
    finish: Finish,
    stop_sequence: Option<String>,
}

/// The block that the provider's deltas belong to, and whether it was begun for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text { begun: bool },
    Thought { begun: bool },
    Call,
}

impl Writer {
    pub(super) fn new(terms: &Terms<'_>) -> Self {
        Self {
            id: id(terms),
            request_id: terms.id.to_owned(),
            model: terms.model.to_owned(),
            has_started: false,
            open: Open::Nothing,
            index: 0,
            calls: 0,
            prefix: Vec::new(),
            proof: None,
            refusal: None,
            finish: Finish::Stop,
            stop_sequence: None,
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, told: Option<&Usage>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match event {
            Event::Start { model, .. } => self.start(model.as_ref(), told, out),
            Event::BlockStart { choice: CHOICE, block } => self.block(block, seal, out),
            Event::Delta { choice: CHOICE, delta } => self.delta(delta, seal, out),
            Event::BlockEnd { choice: CHOICE } => self.end(out),
            Event::Finish { choice: CHOICE, finish, stop_sequence } => {
                self.end(out);
                self.finish = *finish;
                self.stop_sequence = stop_sequence.as_ref().map(|text| text.decode().into_owned());
            }
            Event::Blocked(reason) => {
                let text = Text::from(format!("{BLOCKED}{}", reason.decode()));
                self.block(&BlockStart::Refusal, seal, out);
                self.delta(&Delta::Refusal(text), seal, out);
                self.end(out);
                self.finish = Finish::ContentFilter;
            }
            _ => {}
        }
    }

    fn finish(&mut self, told: Option<&Usage>, out: &mut Vec<u8>) {
        self.start(None, told, out);
        self.end(out);
        let reason = finish::write(self.finish, self.calls > 0, self.refusal.is_some());
        event(out, "message_delta", |object| {
            {
                let mut delta = object.object("delta");
                delta.string("stop_reason", reason);
                match self.stop_sequence.as_deref().filter(|_| reason == "stop_sequence") {
                    Some(text) => delta.string("stop_sequence", text),
                    None => delta.null("stop_sequence"),
                };
                let refusal = self.refusal.as_deref().map(Text::from);
                write_details(&mut delta, reason, refusal.as_ref());
            }
            usage::write_total(object, told.unwrap_or(&Usage::default()));
        });
        event(out, "message_stop", |_| ());
    }
}

impl Writer {
    fn start(&mut self, model: Option<&Text<'_>>, told: Option<&Usage>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        event(out, "message_start", |object| {
            let mut message = object.object("message");
            message.string("id", &self.id).string("type", "message").string("role", "assistant");
            match model.filter(|model| !model.is_empty()) {
                Some(model) => message.text("model", model),
                None => message.string("model", &self.model),
            };
            message.array("content");
            message.null("stop_reason").null("stop_sequence").null("stop_details");
            usage::write_whole(&mut message, told.unwrap_or(&Usage::default()));
        });
    }

    fn block(&mut self, block: &BlockStart<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        self.start(None, None, out);
        self.end(out);
        match block {
            BlockStart::Text | BlockStart::Refusal => self.open = Open::Text { begun: false },
            BlockStart::Reasoning => self.open = Open::Thought { begun: false },
            BlockStart::ToolCall { id, name, signature, .. } => {
                let own = Protocol::Anthropic;
                let id = calls::id_for_caller(own, &self.request_id, seal, self.calls, id.as_ref(), signature.as_ref());
                self.calls += 1;
                self.begin(Open::Call, br#"{"type":"input_json_delta","partial_json":""#, out, |object| {
                    object.string("type", "tool_use").text("id", &id).text("name", name).object("input");
                });
                self.give(&Text::EMPTY, out);
            }
        }
    }

    fn delta(&mut self, delta: &Delta<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match (delta, self.open) {
            (Delta::Text(text) | Delta::Refusal(text), Open::Text { begun }) => {
                if let Delta::Refusal(text) = delta {
                    self.refusal.get_or_insert_default().push_str(&text.decode());
                }
                if text.is_empty() {
                    return;
                }
                if !begun {
                    self.begin(Open::Text { begun: true }, br#"{"type":"text_delta","text":""#, out, |object| {
                        object.string("type", "text").string("text", "");
                    });
                }
                self.give(text, out);
            }
            (Delta::Reasoning(text), Open::Thought { begun }) if !text.is_empty() => {
                if !begun {
                    self.begin_thought(out);
                }
                self.give(text, out);
            }
            (Delta::Signature(signature), Open::Thought { begun }) => self.keep(signature, begun, seal),
            (Delta::Arguments(text), Open::Call) if !text.is_empty() => self.give(text, out),
            (Delta::WholeArguments(value), Open::Call) if value.kind() == Kind::Object => {
                self.give(&Text::plain(value.raw()), out);
            }
            _ => {}
        }
    }

    /// Another provider's is sealed when it comes; where it goes depends on whether the thought has a text.
    fn keep(&mut self, signature: &Signature<'_>, begun: bool, seal: &dyn Seal) {
        self.proof = match Proof::for_caller(seal, Some(signature), begun) {
            Proof::Signature(value) => Some((signature.origin == Protocol::Anthropic, value.decode().into_owned())),
            Proof::Data(data) => Some((false, data)),
            Proof::None => None,
        };
    }

    fn begin_thought(&mut self, out: &mut Vec<u8>) {
        let start = br#"{"type":"thinking_delta","thinking":""#;
        self.begin(Open::Thought { begun: true }, start, out, |object| {
            object.string("type", "thinking").string("thinking", "").string("signature", "");
        });
    }

    fn end_thought(&mut self, begun: bool, out: &mut Vec<u8>) {
        let (is_own_signature, proof) = match self.proof.take() {
            Some(proof) => proof,
            None if begun => (false, UNSIGNED.to_owned()),
            None => return,
        };
        if !begun && !is_own_signature {
            self.begin(Open::Thought { begun: true }, b"", out, |object| {
                object.string("type", "redacted_thinking").string("data", &proof);
            });
            return;
        }
        if !begun {
            self.begin_thought(out);
        }
        event(out, "content_block_delta", |object| {
            object.count("index", self.index);
            object.object("delta").string("type", "signature_delta").string("signature", &proof);
        });
    }

    /// Begins a block; `start` is the beginning of its deltas.
    fn begin(&mut self, open: Open, start: &[u8], out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.open = open;
        event(out, "content_block_start", |object| {
            object.count("index", self.index);
            write(&mut object.object("content_block"));
        });
        self.prefix.clear();
        self.prefix.extend_from_slice(b"event: content_block_delta\ndata: ");
        let mut object = Object::begin(&mut self.prefix);
        object.string("type", "content_block_delta").count("index", self.index);
        drop(object);
        // Its end comes with each delta.
        self.prefix.pop();
        self.prefix.extend_from_slice(br#","delta":"#);
        self.prefix.extend_from_slice(start);
    }

    fn give(&self, text: &Text<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        text.write_escaped(out);
        out.extend_from_slice(b"\"}}\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Open::Thought { begun } = self.open {
            self.end_thought(begun, out);
        }
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        if matches!(open, Open::Nothing | Open::Text { begun: false } | Open::Thought { begun: false }) {
            return;
        }
        event(out, "content_block_stop", |object| {
            object.count("index", self.index);
        });
        self.index += 1;
    }
}

/// Writes one event: the SDKs go by its name.
fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut object = Object::begin(out);
    object.string("type", name);
    write(&mut object);
    drop(object);
    out.extend_from_slice(b"\n\n");
}
