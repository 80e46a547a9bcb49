//! A stream of Gemini's: chunks in the shape of whole answers, each with a little more.
//!
//! Some models say why they stopped in every chunk, and some say it before their last words: it is believed only when
//! the stream is over.

use std::borrow::Cow;

use super::candidate::{Call, Candidate, Part};
use super::partial::Partial;
use super::{finish, log_probabilities};
use crate::canonical::{BlockStart, Delta, Event, Signature, Text};
use crate::json::{Kind, Value};
use crate::translate::{Frame, StreamReader};
use crate::usage::ProviderError;

/// Nobody gives more answers at once.
const CHOICE_LIMIT: usize = 64;

#[derive(Default)]
pub(super) struct Reader {
    has_started: bool,
    is_blocked: bool,
    choices: Vec<Choice>,
}

struct Choice {
    index: u32,
    open: Open,
    has_calls: bool,
    finish: Option<String>,
}

/// The block that has begun and not ended.
enum Open {
    None,
    Text,
    Reasoning,
    Call(Partial),
}

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        match frame.value() {
            Some(value) if value.kind() == Kind::Array => {
                value.elements().for_each(|chunk| self.chunk(chunk, sink));
            }
            Some(value) => self.chunk(value, sink),
            // Other protocols' mark of the end, which some compatible providers send here, too.
            None if frame.data.trim_ascii() == b"[DONE]" => {}
            None => malformed(sink),
        }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        for choice in &mut self.choices {
            choice.close(sink);
            let finish = finish::read(choice.finish.as_deref(), choice.has_calls);
            sink(Event::Finish { choice: choice.index, finish, stop_sequence: None });
        }
    }
}

fn malformed(sink: &mut Sink<'_>) {
    sink(Event::Error(ProviderError::malformed("a chunk of the stream is not of the protocol")));
}

impl Reader {
    fn chunk(&mut self, chunk: Value<'_>, sink: &mut Sink<'_>) {
        if chunk.kind() != Kind::Object {
            return malformed(sink);
        }
        let (mut id, mut model, mut candidates, mut blocked) = (None, None, None, None);
        for (name, value) in chunk.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "error" => return sink(Event::Error(ProviderError::read(value.raw().as_bytes()))),
                "candidates" => candidates = Some(value),
                "promptFeedback" => blocked = value.get("blockReason").and_then(Value::text),
                "modelVersion" => model = value.text(),
                "responseId" => id = value.text(),
                _ => {}
            }
        }
        if !self.has_started {
            self.has_started = true;
            sink(Event::Start { id, model });
        }
        for (position, candidate) in (0..).zip(candidates.into_iter().flat_map(Value::elements)) {
            self.candidate(position, &Candidate::read(candidate), sink);
        }
        if let Some(reason) = blocked
            && self.choices.is_empty()
            && !self.is_blocked
        {
            self.is_blocked = true;
            sink(Event::Blocked(reason));
        }
    }

    fn candidate(&mut self, position: u32, candidate: &Candidate<'_>, sink: &mut Sink<'_>) {
        let index = candidate.index.unwrap_or(position);
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() < CHOICE_LIMIT => {
                self.choices.push(Choice { index, open: Open::None, has_calls: false, finish: None });
                self.choices.len() - 1
            }
            None => return,
        };
        let Some(choice) = self.choices.get_mut(at) else { return };
        candidate.parts().for_each(|part| choice.part(part, sink));
        if let Some(json) = candidate.log_probabilities.and_then(log_probabilities::read) {
            sink(Event::LogProbabilities { choice: index, json: Cow::Owned(json) });
        }
        if let Some(reason) = &candidate.finish
            && !reason.is_empty()
        {
            choice.finish = Some(reason.decode().into_owned());
        }
    }
}

impl Choice {
    fn part(&mut self, part: Part<'_>, sink: &mut Sink<'_>) {
        let Part { text, is_thought, signature, call } = part;
        if let Some(call) = call {
            return self.call(call, signature, sink);
        }
        let text = text.unwrap_or(Text::EMPTY);
        if !text.is_empty() {
            if is_thought {
                if !matches!(self.open, Open::Reasoning) {
                    self.begin(Open::Reasoning, BlockStart::Reasoning, sink);
                }
                self.delta(Delta::Reasoning(text), sink);
            } else {
                if !matches!(self.open, Open::Text) {
                    self.begin(Open::Text, BlockStart::Text, sink);
                }
                self.delta(Delta::Text(text), sink);
            }
        }
        if let Some(signature) = signature {
            // A thought is signed itself; a text by a block behind it.
            if !(is_thought && matches!(self.open, Open::Reasoning)) {
                self.begin(Open::Reasoning, BlockStart::Reasoning, sink);
            }
            self.delta(Delta::Signature(signature), sink);
            self.close(sink);
        }
    }

    /// A call that has no name goes on with the open one.
    fn call(&mut self, call: Call<'_>, signature: Option<Signature<'_>>, sink: &mut Sink<'_>) {
        let Call { id, name, arguments, partial, will_continue } = call;
        if let Some(name) = name {
            self.has_calls = true;
            let block = BlockStart::ToolCall { id, name, is_custom: false, signature };
            self.begin(Open::Call(Partial::default()), block, sink);
            if let (Some(arguments), None, false) = (arguments, partial, will_continue) {
                self.delta(Delta::WholeArguments(arguments), sink);
                self.open = Open::None;
                return sink(Event::BlockEnd { choice: self.index });
            }
        }
        let Open::Call(collected) = &mut self.open else { return };
        if let Some(arguments) = arguments {
            collected.whole(arguments);
        }
        if let Some(pieces) = partial {
            collected.add(pieces);
        }
        if !will_continue {
            self.close(sink);
        }
    }

    fn begin(&mut self, open: Open, block: BlockStart<'_>, sink: &mut Sink<'_>) {
        self.close(sink);
        self.open = open;
        sink(Event::BlockStart { choice: self.index, block });
    }

    fn delta(&self, delta: Delta<'_>, sink: &mut Sink<'_>) {
        sink(Event::Delta { choice: self.index, delta });
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => return,
            Open::Text | Open::Reasoning => {}
            Open::Call(collected) => {
                let json = collected.into_json();
                let value = Value::parse(json.as_bytes()).unwrap_or(Value::EMPTY_OBJECT);
                self.delta(Delta::WholeArguments(value), sink);
            }
        }
        sink(Event::BlockEnd { choice: self.index });
    }
}
