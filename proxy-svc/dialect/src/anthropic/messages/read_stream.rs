//! An upstream's stream, event by event.
//!
//! Blocks are taken by their deltas as much as by their frames: providers that speak this protocol without being
//! Anthropic leave starts and stops out, begin the message twice, or put a thought into a block of text.

use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature};
use crate::json::{Kind, Value};
use crate::translate::{Frame, StreamReader};
use crate::usage::ProviderError;

use super::read_answer::explanation;
use super::{finish, thoughts};

const CHOICE: u32 = 0;

#[derive(Debug, Default)]
pub(super) struct Reader {
    has_started: bool,
    open: Option<Open>,
    has_calls: bool,
    has_finished: bool,
}

#[derive(Debug)]
struct Open {
    /// The provider's number of the block.
    index: Option<u64>,
    kind: Shown,
    /// Arguments that came with the start, for when no others come.
    input: Option<String>,
}

/// What a block is to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Text,
    Reasoning,
    Call,
    /// A server tool's call or result: not shown.
    Nothing,
}

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// The members of an event that this reader looks at.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Value<'a>>,
    index: Option<u64>,
    message: Option<Value<'a>>,
    block: Option<Value<'a>>,
    delta: Option<Value<'a>>,
    error: Option<Value<'a>>,
}

impl<'a> Members<'a> {
    fn of(value: Value<'a>) -> Self {
        let mut members = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "type" => members.kind = Some(value),
                "index" => members.index = value.count(),
                "message" => members.message = Some(value),
                "content_block" => members.block = Some(value),
                "delta" => members.delta = Some(value),
                "error" => members.error = Some(value),
                _ => {}
            }
        }
        members
    }
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if frame.data.trim_ascii() == b"[DONE]" {
            return;
        }
        let Some(value) = frame.value().filter(|value| value.kind() == Kind::Object) else {
            sink(Event::Error(ProviderError::malformed("an event of the stream is no JSON object")));
            return;
        };
        let members = Members::of(value);
        let kind = members.kind.and_then(Value::string);
        let kind = match &kind {
            Some(kind) => kind.as_bytes(),
            None => frame.name,
        };
        match kind {
            b"message_start" => self.start(members.message, sink),
            b"content_block_start" => self.block(members.index, members.block, sink),
            b"content_block_delta" => {
                if let Some(delta) = members.delta {
                    self.delta(members.index, delta, sink);
                }
            }
            b"content_block_stop" => self.stop(members.index, sink),
            b"message_delta" => {
                if let Some(delta) = members.delta {
                    self.message_delta(delta, sink);
                }
            }
            b"message_stop" => self.finish(sink),
            _ => match members.error {
                Some(error) => sink(Event::Error(ProviderError::read(error.raw().as_bytes()))),
                None if kind == b"error" => sink(Event::Error(ProviderError::read(value.raw().as_bytes()))),
                None if kind.is_empty() => {
                    sink(Event::Error(ProviderError::malformed("an event of the stream has no type")));
                }
                // Pings, and what is not known yet.
                None => {}
            },
        }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if !self.has_finished {
            self.ensure_started(sink);
            self.close(sink);
            let finish = if self.has_calls { Finish::ToolCalls } else { Finish::Stop };
            self.has_finished = true;
            sink(Event::Finish { choice: CHOICE, finish, stop_sequence: None });
        }
    }
}

impl Reader {
    fn start(&mut self, message: Option<Value<'_>>, sink: &mut Sink<'_>) {
        if !self.has_started {
            self.has_started = true;
            let text = |name: &str| message.and_then(|message| message.get(name)).and_then(Value::text);
            sink(Event::Start { id: text("id"), model: text("model") });
        }
    }

    fn ensure_started(&mut self, sink: &mut Sink<'_>) {
        self.start(None, sink);
    }

    fn block(&mut self, index: Option<u64>, block: Option<Value<'_>>, sink: &mut Sink<'_>) {
        let Some(block) = block.filter(|_| !self.has_finished) else { return };
        let text = |name: &str| block.get(name).and_then(Value::text).filter(|text| !text.is_empty());
        let kind = block.get("type").and_then(Value::string).unwrap_or_default();
        match &*kind {
            "text" => {
                self.open(index, Shown::Text, BlockStart::Text, sink);
                if let Some(text) = text("text") {
                    give(Delta::Text(text), sink);
                }
            }
            "thinking" => {
                self.open(index, Shown::Reasoning, BlockStart::Reasoning, sink);
                if let Some(text) = text("thinking") {
                    give(Delta::Reasoning(text), sink);
                }
                if let Some(value) = text("signature") {
                    give(Delta::Signature(Signature { origin: Protocol::Anthropic, value }), sink);
                }
            }
            "redacted_thinking" => {
                self.open(index, Shown::Reasoning, BlockStart::Reasoning, sink);
                if let Some(data) = text("data") {
                    give(Delta::Signature(thoughts::redacted(&data)), sink);
                }
            }
            "tool_use" => {
                let Some(name) = text("name") else {
                    sink(Event::Error(ProviderError::malformed("a tool call came without a name")));
                    return;
                };
                let start = BlockStart::ToolCall { id: text("id"), name, is_custom: false, signature: None };
                self.open(index, Shown::Call, start, sink);
                self.has_calls = true;
                let input = block.get("input").filter(|input| input.members().next().is_some());
                if let Some(open) = &mut self.open {
                    open.input = Some(input.map_or("{}", Value::raw).to_owned());
                }
            }
            _ => {
                self.close(sink);
                self.open = Some(Open { index, kind: Shown::Nothing, input: None });
            }
        }
    }

    fn open(&mut self, index: Option<u64>, kind: Shown, block: BlockStart<'_>, sink: &mut Sink<'_>) {
        self.ensure_started(sink);
        self.close(sink);
        self.open = Some(Open { index, kind, input: None });
        sink(Event::BlockStart { choice: CHOICE, block });
    }

    fn delta(&mut self, index: Option<u64>, value: Value<'_>, sink: &mut Sink<'_>) {
        let (mut kind, mut text) = (None, None);
        for (name, value) in value.members() {
            match &*name {
                "type" => kind = value.text(),
                "text" | "thinking" | "signature" | "partial_json" => text = value.text(),
                _ => {}
            }
        }
        let (Some(kind), Some(text)) = (kind, text.filter(|text| !text.is_empty())) else { return };
        match &*kind.decode() {
            "text_delta" if self.has_open(index, Shown::Text, BlockStart::Text, sink) => {
                give(Delta::Text(text), sink);
            }
            "thinking_delta" if self.has_open(index, Shown::Reasoning, BlockStart::Reasoning, sink) => {
                give(Delta::Reasoning(text), sink);
            }
            "signature_delta" if self.has_open(index, Shown::Reasoning, BlockStart::Reasoning, sink) => {
                give(Delta::Signature(Signature { origin: Protocol::Anthropic, value: text }), sink);
            }
            "input_json_delta" => {
                // Arguments of a call that was never begun belong to nothing.
                if let Some(open) = self.open.as_mut().filter(|open| open.kind == Shown::Call && is_same(open, index)) {
                    open.input = None;
                    give(Delta::Arguments(text), sink);
                }
            }
            _ => {}
        }
    }

    /// Whether a delta of this kind can be given: the open block is its own, or else one is begun.
    fn has_open(&mut self, index: Option<u64>, kind: Shown, block: BlockStart<'_>, sink: &mut Sink<'_>) -> bool {
        match &self.open {
            _ if self.has_finished => false,
            Some(open) if open.kind == kind && is_same(open, index) => true,
            Some(open) if open.kind == Shown::Nothing && is_same(open, index) => false,
            _ => {
                self.open(index, kind, block, sink);
                true
            }
        }
    }

    fn stop(&mut self, index: Option<u64>, sink: &mut Sink<'_>) {
        if self.open.as_ref().is_some_and(|open| is_same(open, index)) {
            self.close(sink);
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        let Some(open) = self.open.take().filter(|open| open.kind != Shown::Nothing) else { return };
        if let Some(input) = open.input
            && let Ok(input) = Value::parse(input.as_bytes())
        {
            give(Delta::WholeArguments(input), sink);
        }
        sink(Event::BlockEnd { choice: CHOICE });
    }

    fn message_delta(&mut self, delta: Value<'_>, sink: &mut Sink<'_>) {
        let Some(reason) = delta.get("stop_reason").and_then(Value::string) else { return };
        if self.has_finished {
            return;
        }
        self.ensure_started(sink);
        self.close(sink);
        let finish = finish::read(&reason);
        if finish == Finish::ContentFilter
            && let Some(text) = explanation(delta)
        {
            sink(Event::BlockStart { choice: CHOICE, block: BlockStart::Refusal });
            give(Delta::Refusal(text), sink);
            sink(Event::BlockEnd { choice: CHOICE });
        }
        self.has_finished = true;
        let stop_sequence = delta.get("stop_sequence").and_then(Value::text);
        sink(Event::Finish { choice: CHOICE, finish, stop_sequence });
    }
}

/// Providers that number nothing mean the open block.
fn is_same(open: &Open, index: Option<u64>) -> bool {
    open.index == index || open.index.is_none() || index.is_none()
}

fn give(delta: Delta<'_>, sink: &mut Sink<'_>) {
    sink(Event::Delta { choice: CHOICE, delta });
}
