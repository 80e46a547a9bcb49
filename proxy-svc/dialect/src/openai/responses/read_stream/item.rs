//! One item of a stream: the blocks that it becomes, each told once.

use std::borrow::Cow;

use crate::canonical::{Arguments, BlockStart, Delta, Event, Text, ToolCall};
use crate::json::Value;
use crate::openai::responses::{read_answer, wrapper};

pub(super) type Sink<'s> = &'s mut (dyn FnMut(Event<'_>) + 's);

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Text,
    Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thoughts {
    Summary,
    Whole,
}

#[derive(Debug, Default)]
struct Call {
    has_begun: bool,
    has_arguments: bool,
    /// What was written for a call that may hold others: none of it is told before its end.
    wrapped: Option<Wrapped>,
}

#[derive(Debug)]
struct Wrapped {
    id: Option<Text<'static>>,
    name: Text<'static>,
    /// As it is escaped.
    arguments: String,
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
        let mut teller = Teller { is_open, is_first, held, sink };
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
            (Content::Call(call), "response.function_call_arguments.done") if !call.has_arguments => {
                call.add(text("arguments"), &mut teller);
            }
            (Content::Call(call), "response.custom_tool_call_input.done") if !call.has_arguments => {
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
        let mut teller = Teller { is_open, is_first, held, sink };
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

impl Call {
    /// Returns whether it is a call that was told.
    fn begin(&mut self, item: Value<'_>, teller: &mut Teller<'_, '_>) -> bool {
        if self.has_begun || self.wrapped.is_some() {
            return false;
        }
        let Some(call) = read_answer::calls(item).into_iter().next() else { return false };
        if wrapper::may_be(&call.name) {
            let (id, name) = (call.id.map(Text::into_owned), call.name.into_owned());
            self.wrapped = Some(Wrapped { id, name, arguments: String::new() });
            return false;
        }
        self.has_begun = true;
        teller.call(call.id, call.name, call.is_custom);
        true
    }

    fn add(&mut self, arguments: Option<Text<'_>>, teller: &mut Teller<'_, '_>) {
        let Some(arguments) = arguments else { return };
        if let Some(wrapped) = &mut self.wrapped {
            if let Text::Escaped(escaped) = arguments {
                wrapped.arguments.push_str(escaped);
            }
        } else if self.has_begun {
            self.has_arguments = true;
            teller.delta(Delta::Arguments(arguments));
        }
    }

    /// Returns whether there was a call.
    fn end(&mut self, whole: Option<Value<'_>>, teller: &mut Teller<'_, '_>) -> bool {
        let mut calls = whole.map(read_answer::calls).unwrap_or_default();
        if self.has_begun {
            if let (false, Some(call)) = (self.has_arguments, calls.pop()) {
                teller.arguments(&call.arguments);
            }
            return true;
        }
        match &self.wrapped {
            Some(wrapped) if calls.is_empty() => {
                let written = Text::Escaped(&wrapped.arguments);
                let inside = wrapper::calls_in(wrapped.id.as_ref(), &written);
                for call in inside.unwrap_or_else(|| vec![wrapped.as_call()]) {
                    teller.whole_call(call);
                }
                true
            }
            _ => {
                let has_calls = !calls.is_empty();
                for call in calls {
                    teller.whole_call(call);
                }
                has_calls
            }
        }
    }
}

impl Wrapped {
    fn as_call(&self) -> ToolCall<'_> {
        ToolCall {
            id: self.id.clone(),
            name: self.name.clone(),
            arguments: Arguments::Written(Text::Escaped(&self.arguments)),
            is_custom: false,
            signature: None,
            cache: None,
        }
    }
}

/// Tells what an item comes to: at once, or when the items before it are done.
struct Teller<'i, 's> {
    is_open: &'i mut bool,
    is_first: bool,
    held: &'i mut Vec<Event<'static>>,
    sink: Sink<'s>,
}

impl Teller<'_, '_> {
    fn tell(&mut self, event: Event<'_>) {
        if self.is_first {
            (self.sink)(event);
        } else {
            self.held.extend(owned(event));
        }
    }

    fn begin_block(&mut self, block: BlockStart<'_>) {
        if !std::mem::replace(self.is_open, true) {
            self.tell(Event::BlockStart { choice: 0, block });
        }
    }

    fn delta(&mut self, delta: Delta<'_>) {
        self.tell(Event::Delta { choice: 0, delta });
    }

    fn end_block(&mut self) {
        if std::mem::replace(self.is_open, false) {
            self.tell(Event::BlockEnd { choice: 0 });
        }
    }

    fn part(
        &mut self,
        last: &mut Option<(u64, Part)>,
        now: (u64, Part),
        text: Option<Text<'_>>,
        log_probabilities: Option<Value<'_>>,
    ) {
        let Some(text) = text else { return };
        if last.replace(now) != Some(now) {
            self.end_block();
        }
        match now.1 {
            Part::Text => {
                self.begin_block(BlockStart::Text);
                self.delta(Delta::Text(text));
            }
            Part::Refusal => {
                self.begin_block(BlockStart::Refusal);
                self.delta(Delta::Refusal(text));
            }
        }
        if let Some(tokens) = log_probabilities.filter(|tokens| tokens.elements().next().is_some()) {
            let json = Cow::Owned(format!(r#"{{"content":{}}}"#, tokens.raw()));
            self.tell(Event::LogProbabilities { choice: 0, json });
        }
    }

    fn whole_part(&mut self, last: &mut Option<(u64, Part)>, at: u64, whole: Value<'_>) {
        let text = |name| whole.get(name).and_then(Value::text).filter(|text| !text.is_empty());
        match text("refusal") {
            Some(refusal) => self.part(last, (at, Part::Refusal), Some(refusal), None),
            None => self.part(last, (at, Part::Text), text("text"), whole.get("logprobs")),
        }
        self.end_block();
    }

    /// Thoughts come as a summary or whole; where both come, the first is told.
    fn thought(&mut self, last: &mut Option<(u64, Thoughts)>, now: (u64, Thoughts), text: Option<Text<'_>>) {
        let Some(text) = text else { return };
        match last.replace(now) {
            Some(before) if before.1 != now.1 => {
                *last = Some(before);
                return;
            }
            Some(before) if before.0 != now.0 => self.delta(Delta::Reasoning(Text::Escaped("\\n\\n"))),
            Some(_) => {}
            None => self.begin_block(BlockStart::Reasoning),
        }
        self.delta(Delta::Reasoning(text));
    }

    fn call(&mut self, id: Option<Text<'_>>, name: Text<'_>, is_custom: bool) {
        self.begin_block(BlockStart::ToolCall { id, name, is_custom, signature: None });
    }

    fn arguments(&mut self, arguments: &Arguments<'_>) {
        match arguments {
            Arguments::Object(object) => self.delta(Delta::WholeArguments(*object)),
            Arguments::Written(written) if written.is_empty() => {}
            Arguments::Written(written) => self.delta(Delta::Arguments(written.clone())),
        }
    }

    fn whole_call(&mut self, call: ToolCall<'_>) {
        self.call(call.id, call.name, call.is_custom);
        self.arguments(&call.arguments);
        self.end_block();
    }
}

/// The events that are told of items, so that they can wait.
fn owned(event: Event<'_>) -> Option<Event<'static>> {
    Some(match event {
        Event::BlockStart { choice, block } => Event::BlockStart { choice, block: owned_start(block) },
        Event::Delta { choice, delta } => Event::Delta { choice, delta: owned_delta(delta) },
        Event::BlockEnd { choice } => Event::BlockEnd { choice },
        Event::LogProbabilities { choice, json } => {
            Event::LogProbabilities { choice, json: Cow::Owned(json.into_owned()) }
        }
        _ => return None,
    })
}

fn owned_start(block: BlockStart<'_>) -> BlockStart<'static> {
    match block {
        BlockStart::Text => BlockStart::Text,
        BlockStart::Reasoning => BlockStart::Reasoning,
        BlockStart::Refusal => BlockStart::Refusal,
        BlockStart::ToolCall { id, name, is_custom, .. } => BlockStart::ToolCall {
            id: id.map(Text::into_owned),
            name: name.into_owned(),
            is_custom,
            // OpenAI signs no calls.
            signature: None,
        },
    }
}

fn owned_delta(delta: Delta<'_>) -> Delta<'static> {
    match delta {
        Delta::Text(text) => Delta::Text(text.into_owned()),
        Delta::Reasoning(text) => Delta::Reasoning(text.into_owned()),
        Delta::Refusal(text) => Delta::Refusal(text.into_owned()),
        Delta::Arguments(text) => Delta::Arguments(text.into_owned()),
        Delta::WholeArguments(value) => Delta::Arguments(Text::from(value.raw().to_owned())),
        Delta::Signature(signature) => Delta::Signature(crate::canonical::Signature {
            origin: signature.origin,
            value: signature.value.into_owned(),
        }),
    }
}
