//! One choice of a stream: its deltas become blocks, one after the other.

use std::borrow::Cow;

use super::content;
use super::finish::{self, Ending};
use super::read_calls::{Calls, Piece, Which};
use super::reasoning::Given;
use crate::canonical::{self, BlockStart, Event, Text};
use crate::json::{Kind, Value};

/// The stream is not of the protocol; says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Reasoning,
    Refusal,
    Call,
}

#[derive(Debug)]
pub(super) struct Choice {
    index: u32,
    open: Open,
    calls: Calls,
    is_untouched: bool,
    is_finished: bool,
}

/// The members of a delta.
#[derive(Default)]
pub(super) struct Delta<'a> {
    thoughts: Given<'a>,
    content: Option<Value<'a>>,
    refusal: Option<Value<'a>>,
    tool_calls: Option<Value<'a>>,
    function_call: Option<Value<'a>>,
}

impl<'a> Delta<'a> {
    pub(super) fn read(value: Value<'a>) -> Self {
        let mut delta = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "content" => delta.content = Some(value),
                "reasoning_content" => delta.thoughts.content = Some(value),
                "reasoning" => delta.thoughts.plain = Some(value),
                "reasoning_details" => delta.thoughts.details = Some(value),
                "refusal" => delta.refusal = Some(value),
                "tool_calls" => delta.tool_calls = Some(value),
                "function_call" => delta.function_call = Some(value),
                _ => {}
            }
        }
        delta
    }
}

impl Choice {
    pub(super) fn new(index: u32) -> Self {
        Self { index, open: Open::Nothing, calls: Calls::default(), is_untouched: true, is_finished: false }
    }

    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// Nothing came yet.
    pub(super) const fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    pub(super) fn delta(&mut self, delta: &Delta<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), Broken> {
        delta.thoughts.each_text(&mut |text| self.say(Open::Reasoning, text, sink));
        if let Some(content) = delta.content {
            self.content(content, sink);
        }
        if let Some(refusal) = delta.refusal.and_then(Value::text) {
            self.say(Open::Refusal, refusal, sink);
        }
        for value in delta.tool_calls.into_iter().flat_map(Value::elements) {
            self.call(&Piece::of_tool(value), sink)?;
        }
        match delta.function_call {
            Some(value) => self.call(&Piece::of_function(value), sink),
            None => Ok(()),
        }
    }

    /// Ends the choice. An empty word is one that never came.
    pub(super) fn finish(&mut self, word: &str, sink: &mut dyn FnMut(Event<'_>)) -> Ending {
        let ending = finish::read(word, self.calls.any());
        if let Ending::Proper(finish) = ending
            && !std::mem::replace(&mut self.is_finished, true)
        {
            self.end_block(sink);
            sink(Event::Finish { choice: self.index, finish, stop_sequence: None });
        }
        ending
    }

    /// A text, or parts as Mistral has them.
    fn content(&mut self, value: Value<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(text) = value.text() {
            self.say(Open::Text, text, sink);
            return;
        }
        for part in value.elements() {
            if let Some(thinking) = part.get("thinking") {
                content::each_thought(thinking, &mut |text| self.say(Open::Reasoning, text, sink));
            } else if let Some(text) = part.get("text").and_then(Value::text) {
                self.say(Open::Text, text, sink);
            }
        }
    }

    fn say(&mut self, block: Open, text: Text<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        // White space between the pieces of a call ends none.
        if text.is_empty() || (self.open == Open::Call && text.is_blank()) {
            return;
        }
        if self.open != block {
            self.end_block(sink);
            self.open = block;
            let start = match block {
                Open::Reasoning => BlockStart::Reasoning,
                Open::Refusal => BlockStart::Refusal,
                Open::Text | Open::Nothing | Open::Call => BlockStart::Text,
            };
            sink(Event::BlockStart { choice: self.index, block: start });
        }
        self.is_untouched = false;
        let delta = match block {
            Open::Reasoning => canonical::Delta::Reasoning(text),
            Open::Refusal => canonical::Delta::Refusal(text),
            Open::Text | Open::Nothing | Open::Call => canonical::Delta::Text(text),
        };
        sink(Event::Delta { choice: self.index, delta });
    }

    fn call(&mut self, piece: &Piece<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), Broken> {
        match self.calls.which(piece) {
            Which::Open => {}
            Which::Nothing => return Ok(()),
            Which::Ended => return Err(Broken("a piece of a tool call came after the call had ended")),
            Which::Nameless => return Err(Broken("a tool call came without a name")),
            Which::New => {
                self.end_block(sink);
                self.open = Open::Call;
                let id = self.calls.begin(piece);
                let id = if id.is_empty() { None } else { Some(Text::Plain(Cow::Borrowed(id))) };
                let name = piece.name.clone();
                let block = BlockStart::ToolCall { id, name, is_custom: piece.is_custom, signature: None };
                sink(Event::BlockStart { choice: self.index, block });
            }
        }
        self.is_untouched = false;
        if let Some(delta) = arguments(piece.arguments)
            && self.calls.take_arguments(matches!(delta, canonical::Delta::WholeArguments(_)))
        {
            sink(Event::Delta { choice: self.index, delta });
        }
        Ok(())
    }

    fn end_block(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Call => self.calls.end(),
            Open::Text | Open::Reasoning | Open::Refusal => {}
        }
        sink(Event::BlockEnd { choice: self.index });
    }
}

/// A piece of the text, or the object that some providers do not put into a string.
fn arguments(value: Option<Value<'_>>) -> Option<canonical::Delta<'_>> {
    let value = value?;
    match value.text() {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(canonical::Delta::Arguments(text)),
        None if value.kind() == Kind::Object => Some(canonical::Delta::WholeArguments(value)),
        None => None,
    }
}
