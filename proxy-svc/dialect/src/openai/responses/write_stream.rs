//! A stream for a caller: the typed events of the protocol.
//!
//! This is the one protocol whose end repeats everything: each text stands once more in the events that end its part
//! and its item, and in the response that the last event holds. So the answer is kept while it goes by, as the JSON of
//! finished items that it will be, texts as they are escaped.

use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text};
use crate::json::write::Object;
use crate::translate::{Seal, StreamWriter, Terms, calls, seal_text};
use crate::usage::Usage;

use super::response::{Head, Status};
use super::signature;
use super::write_answer::{write_text_part, write_tokens};

mod open;

use open::{Call, Message, Open, Thought};

pub(super) struct Writer {
    request_id: String,
    head: Head,
    /// Of the next event.
    sequence: u64,
    has_started: bool,
    /// The choice that is told: the protocol has one.
    choice: Option<u32>,
    /// The item that has begun and not ended.
    open: Option<Open>,
    /// The finished items, with commas between them.
    output: Vec<u8>,
    /// How many items have begun.
    items: usize,
    calls: usize,
    status: Status,
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, _usage: Option<&Usage>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match event {
            Event::Start { model, .. } => {
                if let Some(model) = model {
                    self.head.set_model(model);
                }
                self.start(out);
            }
            Event::BlockStart { choice, block } if self.tells(*choice) => self.begin_block(block, seal, out),
            Event::Delta { choice, delta } if self.tells(*choice) => self.delta(delta, seal, out),
            Event::BlockEnd { choice } if self.tells(*choice) => self.end_block(out),
            Event::LogProbabilities { choice, json } if self.tells(*choice) => {
                if let Some(Open::Message(message)) = &mut self.open {
                    write_tokens(json, &mut message.tokens);
                }
            }
            Event::Finish { choice, finish, .. } if self.tells(*choice) => self.end(*finish, out),
            Event::Blocked(_) => self.end(Finish::ContentFilter, out),
            _ => {}
        }
    }

    fn finish(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>) {
        self.start(out);
        self.end_item("completed", out);
        if self.status == Status::InProgress {
            self.status = Status::Completed;
        }
        let name = match self.status {
            Status::Incomplete(_) => "response.incomplete",
            _ => "response.completed",
        };
        let Self { sequence, head, status, output, .. } = self;
        event(out, name, sequence, |object| {
            let output = |response: &mut Object<'_>| _ = response.array("output").elements(output);
            head.write(&mut object.object("response"), *status, output, usage);
        });
    }

    fn events(&self) -> u64 {
        self.sequence
    }
}

impl Writer {
    pub(super) fn new(terms: &Terms<'_>) -> Self {
        Self {
            request_id: terms.id.to_owned(),
            head: Head::new(terms, None),
            sequence: 0,
            has_started: false,
            choice: None,
            open: None,
            output: Vec::new(),
            items: 0,
            calls: 0,
            status: Status::InProgress,
        }
    }

    fn tells(&mut self, choice: u32) -> bool {
        *self.choice.get_or_insert(choice) == choice
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let Self { sequence, head, .. } = self;
        for name in ["response.created", "response.in_progress"] {
            event(out, name, sequence, |object| {
                let output = |response: &mut Object<'_>| _ = response.array("output");
                head.write(&mut object.object("response"), Status::InProgress, output, None);
            });
        }
    }

    fn begin_block(&mut self, block: &BlockStart<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        self.start(out);
        match block {
            BlockStart::Text => self.begin_part(false, out),
            BlockStart::Refusal => self.begin_part(true, out),
            BlockStart::Reasoning => {
                let id = self.begin_item("rs", out);
                self.announce(&id, out, |item| _ = item.string("type", "reasoning").raw("summary", "[]"));
                self.open = Some(Open::Thought(Thought::new(id)));
            }
            BlockStart::ToolCall { id, name, is_custom, signature } => {
                let item_id = self.begin_item(if *is_custom { "ctc" } else { "fc" }, out);
                let (id, signature) = (id.as_ref(), signature.as_ref());
                let call_id = calls::id_for_caller(Protocol::OpenAi, &self.request_id, seal, self.calls, id, signature);
                self.calls += 1;
                let call = Call::new(item_id, &call_id, name, *is_custom);
                self.announce(&call.id, out, |item| call.write(item, "in_progress"));
                self.open = Some(Open::Call(call));
            }
        }
    }

    /// Ends the item before it; returns the new one's id.
    fn begin_item(&mut self, prefix: &str, out: &mut Vec<u8>) -> String {
        self.end_item("completed", out);
        let id = self.head.item_id(prefix, self.items);
        self.items += 1;
        id
    }

    /// The index of the item that has begun last.
    const fn output_index(&self) -> u64 {
        self.items.saturating_sub(1) as u64
    }

    fn announce(&mut self, id: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let place = self.output_index();
        event(out, "response.output_item.added", &mut self.sequence, |object| {
            let mut item = object.count("output_index", place).object("item");
            write(item.string("id", id));
        });
    }

    fn begin_part(&mut self, is_refusal: bool, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Message(_))) {
            let id = self.begin_item("msg", out);
            self.announce(&id, out, |item| {
                item.string("type", "message").string("status", "in_progress").raw("content", "[]");
                item.string("role", "assistant");
            });
            self.open = Some(Open::Message(Message::new(id)));
        }
        let place = self.output_index();
        if let Some(Open::Message(message)) = &mut self.open {
            message.begin_part(is_refusal);
            event(out, "response.content_part.added", &mut self.sequence, |object| {
                message.place(object, place);
                message.write_part(&mut object.object("part"));
            });
        }
    }

    fn delta(&mut self, delta: &Delta<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        let place = self.output_index();
        let sequence = &mut self.sequence;
        match (&mut self.open, delta) {
            (_, Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text))
                if text.is_empty() => {}
            (Some(Open::Message(message)), Delta::Text(text) | Delta::Refusal(text)) => {
                text.write_escaped(&mut message.text);
                let name = if message.is_refusal { "response.refusal.delta" } else { "response.output_text.delta" };
                event(out, name, sequence, |object| {
                    message.place(object, place);
                    object.text("delta", text);
                    if !message.is_refusal {
                        object.raw("logprobs", "[]");
                    }
                });
            }
            (Some(Open::Thought(thought)), Delta::Reasoning(text)) => {
                if !std::mem::replace(&mut thought.has_part, true) {
                    event(out, "response.reasoning_summary_part.added", sequence, |object| {
                        thought.place(object, place);
                        thought.write_part(&mut object.object("part"));
                    });
                }
                text.write_escaped(&mut thought.text);
                event(out, "response.reasoning_summary_text.delta", sequence, |object| {
                    thought.place(object, place);
                    object.text("delta", text);
                });
            }
            (Some(Open::Thought(thought)), Delta::Signature(signature)) => {
                thought.state = Some(state(signature, &thought.id, seal));
            }
            (Some(Open::Call(call)), Delta::Arguments(text)) => call.delta(text, place, sequence, out),
            (Some(Open::Call(call)), Delta::WholeArguments(value)) => {
                call.delta(&Text::plain(value.raw()), place, sequence, out);
            }
            _ => {}
        }
    }

    /// Messages stay open: more parts may follow, and only their end tells whether they are complete.
    fn end_block(&mut self, out: &mut Vec<u8>) {
        match &self.open {
            Some(Open::Message(_)) => self.end_part(out),
            Some(_) => self.end_item("completed", out),
            None => {}
        }
    }

    fn end_part(&mut self, out: &mut Vec<u8>) {
        let place = self.output_index();
        let sequence = &mut self.sequence;
        let Some(Open::Message(message)) = &mut self.open else { return };
        if !std::mem::replace(&mut message.has_part, false) {
            return;
        }
        let name = if message.is_refusal { "response.refusal.done" } else { "response.output_text.done" };
        event(out, name, sequence, |object| {
            message.place(object, place);
            if message.is_refusal {
                object.text("refusal", &escaped(&message.text));
            } else {
                object.text("text", &escaped(&message.text)).array("logprobs").elements(&message.tokens);
            }
        });
        event(out, "response.content_part.done", sequence, |object| {
            message.place(object, place);
            message.write_part(&mut object.object("part"));
        });
        message.keep_part();
    }

    fn end_item(&mut self, status: &str, out: &mut Vec<u8>) {
        self.end_part(out);
        let place = self.output_index();
        let Self { sequence, open, output, .. } = self;
        let Some(mut open) = open.take() else { return };
        match &mut open {
            Open::Message(_) => {}
            Open::Thought(thought) => thought.end(place, sequence, out),
            Open::Call(call) => call.end(place, sequence, out),
        }
        if !output.is_empty() {
            output.push(b',');
        }
        let from = output.len();
        open.write(&mut Object::begin(output), status);
        let written = std::str::from_utf8(output.get(from..).unwrap_or_default()).unwrap_or("null");
        event(out, "response.output_item.done", sequence, |object| {
            object.count("output_index", place).raw("item", written);
        });
    }

    fn end(&mut self, finish: Finish, out: &mut Vec<u8>) {
        self.start(out);
        self.status = Status::of(finish);
        self.end_item(self.status.as_str(), out);
    }
}

/// What the caller gives back of a thought. An own state goes with its own item's id: under another one it is sealed
/// together with it.
fn state(found: &Signature<'_>, item_id: &str, seal: &dyn Seal) -> String {
    let value = found.value.decode();
    match signature::split(&value) {
        Some((id, encrypted)) if found.origin == Protocol::OpenAi && id == item_id => encrypted.to_owned(),
        _ => seal_text(seal, found),
    }
}

/// Text that was kept as it is escaped.
fn escaped(kept: &[u8]) -> Text<'_> {
    Text::Escaped(std::str::from_utf8(kept).unwrap_or_default())
}

/// One event.
fn event(out: &mut Vec<u8>, name: &str, sequence: &mut u64, write: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write(Object::begin(out).string("type", name).count("sequence_number", *sequence));
    out.extend_from_slice(b"\n\n");
    *sequence += 1;
}
