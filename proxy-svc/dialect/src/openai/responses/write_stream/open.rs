//! The item that a stream is at.

use super::{escaped, event, write_text_part};
use crate::canonical::Text;
use crate::json::write::Object;
use crate::translate::UNSIGNED;

pub(super) enum Open {
    Message(Message),
    Thought(Thought),
    Call(Call),
}

pub(super) struct Message {
    id: String,
    /// The finished parts, with commas between them.
    parts: Vec<u8>,
    /// How many parts have begun.
    count: u64,
    pub(super) has_part: bool,
    pub(super) is_refusal: bool,
    /// Of the part that is open, as it is escaped.
    pub(super) text: Vec<u8>,
    /// Log probabilities of the part, with commas between them.
    pub(super) tokens: Vec<u8>,
}

pub(super) struct Thought {
    pub(super) id: String,
    pub(super) has_part: bool,
    pub(super) text: Vec<u8>,
    pub(super) state: Option<String>,
}

pub(super) struct Call {
    pub(super) id: String,
    is_custom: bool,
    /// The call's id and name, as members.
    names: Vec<u8>,
    arguments: Vec<u8>,
}

impl Open {
    /// The whole item.
    pub(super) fn write(&self, item: &mut Object<'_>, status: &str) {
        match self {
            Self::Message(message) => {
                item.string("id", &message.id).string("type", "message").string("status", status);
                item.array("content").elements(&message.parts);
                item.string("role", "assistant");
            }
            Self::Thought(thought) => {
                item.string("id", &thought.id).string("type", "reasoning");
                {
                    let mut summary = item.array("summary");
                    if thought.has_part {
                        thought.write_part(&mut summary.object());
                    }
                }
                match &thought.state {
                    Some(state) => _ = item.string("encrypted_content", state),
                    None if thought.has_part => _ = item.string("encrypted_content", UNSIGNED),
                    None => {}
                }
            }
            Self::Call(call) => {
                item.string("id", &call.id);
                call.write(item, status);
            }
        }
    }
}

impl Message {
    pub(super) const fn new(id: String) -> Self {
        Self {
            id,
            parts: Vec::new(),
            count: 0,
            has_part: false,
            is_refusal: false,
            text: Vec::new(),
            tokens: Vec::new(),
        }
    }

    pub(super) fn begin_part(&mut self, is_refusal: bool) {
        self.count += 1;
        self.has_part = true;
        self.is_refusal = is_refusal;
        self.text.clear();
        self.tokens.clear();
    }

    pub(super) fn place(&self, object: &mut Object<'_>, output_index: u64) {
        object.string("item_id", &self.id).count("output_index", output_index);
        object.count("content_index", self.count.saturating_sub(1));
    }

    pub(super) fn write_part(&self, part: &mut Object<'_>) {
        if self.is_refusal {
            part.string("type", "refusal").text("refusal", &escaped(&self.text));
        } else {
            write_text_part(part, &escaped(&self.text), &self.tokens);
        }
    }

    pub(super) fn keep_part(&mut self) {
        let mut parts = std::mem::take(&mut self.parts);
        if !parts.is_empty() {
            parts.push(b',');
        }
        self.write_part(&mut Object::begin(&mut parts));
        self.parts = parts;
    }
}

impl Thought {
    pub(super) const fn new(id: String) -> Self {
        Self { id, has_part: false, text: Vec::new(), state: None }
    }

    /// All of it is one part.
    pub(super) fn place(&self, object: &mut Object<'_>, output_index: u64) {
        object.string("item_id", &self.id).count("output_index", output_index).count("summary_index", 0);
    }

    pub(super) fn write_part(&self, part: &mut Object<'_>) {
        part.string("type", "summary_text").text("text", &escaped(&self.text));
    }

    pub(super) fn end(&self, output_index: u64, sequence: &mut u64, out: &mut Vec<u8>) {
        if !self.has_part {
            return;
        }
        event(out, "response.reasoning_summary_text.done", sequence, |object| {
            self.place(object, output_index);
            object.text("text", &escaped(&self.text));
        });
        event(out, "response.reasoning_summary_part.done", sequence, |object| {
            self.place(object, output_index);
            self.write_part(&mut object.object("part"));
        });
    }
}

impl Call {
    pub(super) fn new(id: String, call_id: &Text<'_>, name: &Text<'_>, is_custom: bool) -> Self {
        let mut names = Vec::with_capacity(64);
        for (start, text) in [(&b"\"call_id\":\""[..], call_id), (b",\"name\":\"", name)] {
            names.extend_from_slice(start);
            text.write_escaped(&mut names);
            names.push(b'"');
        }
        Self { id, is_custom, names, arguments: Vec::new() }
    }

    /// Without its id.
    pub(super) fn write(&self, item: &mut Object<'_>, status: &str) {
        item.string("type", if self.is_custom { "custom_tool_call" } else { "function_call" });
        item.string("status", status).members(&self.names).text(self.field(), &escaped(&self.arguments));
    }

    const fn field(&self) -> &'static str {
        if self.is_custom { "input" } else { "arguments" }
    }

    pub(super) fn delta(&mut self, text: &Text<'_>, output_index: u64, sequence: &mut u64, out: &mut Vec<u8>) {
        text.write_escaped(&mut self.arguments);
        let name = if self.is_custom {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        event(out, name, sequence, |object| {
            object.string("item_id", &self.id).count("output_index", output_index).text("delta", text);
        });
    }

    pub(super) fn end(&mut self, output_index: u64, sequence: &mut u64, out: &mut Vec<u8>) {
        // The SDKs parse it.
        if !self.is_custom && escaped(&self.arguments).is_blank() {
            self.delta(&Text::Escaped("{}"), output_index, sequence, out);
        }
        let name = if self.is_custom {
            "response.custom_tool_call_input.done"
        } else {
            "response.function_call_arguments.done"
        };
        event(out, name, sequence, |object| {
            object.string("item_id", &self.id).count("output_index", output_index);
            object.text(self.field(), &escaped(&self.arguments));
        });
    }
}
