//! One item of a stream: the blocks that it becomes, each told once.

use std::borrow::Cow;

use super::call::Call;
use super::tell::{Part, Sink, Teller, Thoughts};
use crate::canonical::{BlockStart, Delta, Event};
use crate::json::Value;
use crate::openai::responses::read_answer;

#[derive(Debug)]
pub(super) struct Item {
    /// Its index in the output.
    pub(super) place: u64,
    pub(super) id: String,
    pub(super) is_done: bool,
    pub(super) is_call: bool,
    content: Content,
    /// A block is open.
    is_open: bool,
    /// What waits for the items before it to be done.
    held: Vec<Event<'static>>,
}

#[derive(Debug)]
enum Content {
    /// The last part of which something was told.
    Message {
        part: Option<(u64, Part)>,
    },
    /// The last part, and which of the two forms of the thoughts is told.
    Thoughts {
        part: Option<(u64, Thoughts)>,
    },
    Call(Call),
}

impl Item {
    /// From its announcement or its end. `None` for what callers are not told of.
    pub(super) fn announced(place: u64, item: Value<'_>) -> Option<Self> {
        let content = match &*item.get("type")?.string()? {
            "message" => Content::Message { part: None },
            "reasoning" => Content::Thoughts { part: None },
            "function_call" | "custom_tool_call" => Content::Call(Call::default()),
            _ => return None,
        };
        Some(Self::new(place, identity(item), content))
    }

    /// From an event of an item that was not announced.
    pub(super) fn unannounced(place: u64, kind: &str) -> Option<Self> {
        let content = match kind {
            "response.output_text.delta"
            | "response.output_text.done"
            | "response.refusal.delta"
            | "response.refusal.done" => Content::Message { part: None },
            "response.reasoning_summary_text.delta"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_text.delta"
            | "response.reasoning_text.done" => Content::Thoughts { part: None },
            _ => return None,
        };
        Some(Self::new(place, String::new(), content))
    }

    fn new(place: u64, id: String, content: Content) -> Self {
        Self { place, id, is_done: false, is_call: false, content, is_open: false, held: Vec::new() }
    }

    pub(super) fn is(&self, item: Value<'_>) -> bool {
        !self.id.is_empty() && identity(item) == self.id
    }

    /// Reads one of its events. `is_first` is whether no earlier item is open.
    pub(super) fn read(&mut self, kind: &str, data: Value<'_>, is_first: bool, sink: Sink<'_>) {
        let Self { content, is_open, is_call, held, .. } = self;
        let mut teller = Teller::new(is_open, is_first, held, sink);
        let text = |name| data.get(name).and_then(Value::text).filter(|text| !text.is_empty());
        let index = |name| data.get(name).and_then(Value::count).unwrap_or_default();
        match (content, kind) {
            (Content::Message { part }, _) => {
                let at = index("content_index");
                match kind {
                    "response.output_text.delta" => {
                        teller.part(part, (at, Part::Text), text("delta"), data.get("logprobs"));
                    }
                    "response.refusal.delta" => teller.part(part, (at, Part::Refusal), text("delta"), None),
                    "response.output_text.done" if is_new(*part, at) => {
                        teller.part(part, (at, Part::Text), text("text"), data.get("logprobs"));
                    }
                    "response.refusal.done" if is_new(*part, at) => {
                        teller.part(part, (at, Part::Refusal), text("refusal"), None);
                    }
                    "response.content_part.done" => {
                        if let (true, Some(whole)) = (is_new(*part, at), data.get("part")) {
                            teller.whole_part(part, at, whole);
                        }
                        teller.end_block();
                    }
                    _ => {}
                }
            }
            (Content::Thoughts { part }, "response.reasoning_summary_text.delta") => {
                teller.thought(part, (index("summary_index"), Thoughts::Summary), text("delta"));
            }
            (Content::Thoughts { part }, "response.reasoning_text.delta") => {
                teller.thought(part, (index("content_index"), Thoughts::Whole), text("delta"));
            }
            (Content::Thoughts { part }, "response.reasoning_summary_text.done")
                if is_new(*part, index("summary_index")) =>
            {
                teller.thought(part, (index("summary_index"), Thoughts::Summary), text("text"));
            }
            (Content::Thoughts { part }, "response.reasoning_text.done") if is_new(*part, index("content_index")) => {
                teller.thought(part, (index("content_index"), Thoughts::Whole), text("text"));
            }
            (Content::Call(call), "response.output_item.added") => {
                if let Some(item) = data.get("item") {
                    *is_call |= call.begin(item, &mut teller);
                }
            }
            (
                Content::Call(call),
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta",
            ) => call.add(text("delta"), &mut teller),
            (Content::Call(call), "response.function_call_arguments.done") if !call.has_arguments() => {
                call.add(text("arguments"), &mut teller);
            }
            (Content::Call(call), "response.custom_tool_call_input.done") if !call.has_arguments() => {
                call.add(text("input"), &mut teller);
            }
            _ => {}
        }
    }

    /// Ends it. `whole` is the item as it is in the end, if that was told: what was not streamed is taken from it.
    pub(super) fn end(&mut self, whole: Option<Value<'_>>, is_first: bool, sink: Sink<'_>) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let Self { content, is_open, is_call, held, .. } = self;
        let mut teller = Teller::new(is_open, is_first, held, sink);
        match content {
            Content::Message { part } => {
                let parts = whole.and_then(|whole| whole.get("content")).into_iter().flat_map(Value::elements);
                for (at, whole) in (0..).zip(parts) {
                    if is_new(*part, at) {
                        teller.whole_part(part, at, whole);
                    }
                }
            }
            Content::Thoughts { part } => {
                if let Some(found) = whole.and_then(read_answer::reasoning) {
                    if part.is_none() {
                        let text = Some(found.text).filter(|text| !text.is_empty());
                        teller.thought(part, (0, Thoughts::Summary), text);
                    }
                    if let Some(signature) = found.signature {
                        teller.begin_block(BlockStart::Reasoning);
                        teller.delta(Delta::Signature(signature));
                    }
                }
            }
            Content::Call(call) => *is_call |= call.end(whole, &mut teller),
        }
        teller.end_block();
    }

    /// The items before it are done: says what was held.
    pub(super) fn release(&mut self, sink: Sink<'_>) {
        self.held.drain(..).for_each(sink);
    }
}

/// What tells items apart.
fn identity(item: Value<'_>) -> String {
    let member = |name| item.get(name).and_then(Value::string).filter(|id| !id.is_empty());
    member("id").or_else(|| member("call_id")).map(Cow::into_owned).unwrap_or_default()
}

/// Whether nothing of a part was told.
fn is_new<K: Copy>(last: Option<(u64, K)>, at: u64) -> bool {
    last.is_none_or(|(last, _)| last < at)
}
