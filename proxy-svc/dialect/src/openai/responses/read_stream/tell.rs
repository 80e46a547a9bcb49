//! How an item's blocks are told: at once, or when the items before it are done.

use std::borrow::Cow;

use crate::canonical::{Arguments, BlockStart, Delta, Event, Signature, Text, ToolCall};
use crate::json::Value;

pub(super) type Sink<'s> = &'s mut (dyn FnMut(Event<'_>) + 's);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Text,
    Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    Summary,
    Whole,
}

/// Tells what an item comes to: at once, or when the items before it are done.
pub(super) struct Teller<'i, 's> {
    is_open: &'i mut bool,
    is_first: bool,
    held: &'i mut Vec<Event<'static>>,
    sink: Sink<'s>,
}

impl<'i, 's> Teller<'i, 's> {
    pub(super) const fn new(
        is_open: &'i mut bool,
        is_first: bool,
        held: &'i mut Vec<Event<'static>>,
        sink: Sink<'s>,
    ) -> Self {
        Self { is_open, is_first, held, sink }
    }

    fn tell(&mut self, event: Event<'_>) {
        if self.is_first {
            (self.sink)(event);
        } else {
            self.held.extend(owned(event));
        }
    }

    pub(super) fn begin_block(&mut self, block: BlockStart<'_>) {
        if !std::mem::replace(self.is_open, true) {
            self.tell(Event::BlockStart { choice: 0, block });
        }
    }

    pub(super) fn delta(&mut self, delta: Delta<'_>) {
        self.tell(Event::Delta { choice: 0, delta });
    }

    pub(super) fn end_block(&mut self) {
        if std::mem::replace(self.is_open, false) {
            self.tell(Event::BlockEnd { choice: 0 });
        }
    }

    pub(super) fn part(
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
            let json = Cow::Owned(format!(r#"{{"content":{},"refusal":null}}"#, tokens.raw()));
            self.tell(Event::LogProbabilities { choice: 0, json });
        }
    }

    pub(super) fn whole_part(&mut self, last: &mut Option<(u64, Part)>, at: u64, whole: Value<'_>) {
        let text = |name| whole.get(name).and_then(Value::text).filter(|text| !text.is_empty());
        match text("refusal") {
            Some(refusal) => self.part(last, (at, Part::Refusal), Some(refusal), None),
            None => self.part(last, (at, Part::Text), text("text"), whole.get("logprobs")),
        }
        self.end_block();
    }

    /// Thoughts come as a summary or whole; where both come, the first is told.
    pub(super) fn thought(&mut self, last: &mut Option<(u64, Thoughts)>, now: (u64, Thoughts), text: Option<Text<'_>>) {
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

    pub(super) fn call(&mut self, id: Option<Text<'_>>, name: Text<'_>, is_custom: bool) {
        self.begin_block(BlockStart::ToolCall { id, name, is_custom, signature: None });
    }

    pub(super) fn arguments(&mut self, arguments: &Arguments<'_>) {
        match arguments {
            Arguments::Object(object) => self.delta(Delta::WholeArguments(*object)),
            Arguments::Written(written) if written.is_empty() => {}
            Arguments::Written(written) => self.delta(Delta::Arguments(written.clone())),
        }
    }

    pub(super) fn whole_call(&mut self, call: ToolCall<'_>) {
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
        Delta::Signature(signature) => {
            Delta::Signature(Signature { origin: signature.origin, value: signature.value.into_owned() })
        }
    }
}
