//! An upstream's stream, chunk by chunk.
//!
//! Providers differ: chunks without choices come first or last (Azure's filter results, usage), the same role and
//! empty texts come again and again, an index or the end marker is missing, and some write a whole answer where a
//! stream was asked for.

use super::finish::Ending;
use super::read_answer::{filled, tells};
use super::read_choice::{Broken, Choice, Delta};
use crate::canonical::{Event, Finish};
use crate::json::{Kind, Value};
use crate::translate::{Frame, StreamReader};
use crate::usage::ProviderError;

/// More choices than any provider gives; OpenAI's limit.
const MOST_CHOICES: u32 = 128;

#[derive(Debug, Default)]
pub(super) struct Reader {
    has_started: bool,
    /// After an error nothing is read.
    has_failed: bool,
    /// In the order in which they appeared.
    choices: Vec<Choice>,
}

/// The members of a chunk.
#[derive(Default)]
struct Chunk<'a> {
    id: Option<Value<'a>>,
    model: Option<Value<'a>>,
    choices: Option<Value<'a>>,
    error: Option<Value<'a>>,
    object: Option<Value<'a>>,
}

impl<'a> Chunk<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut chunk = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "id" => chunk.id = Some(value),
                "model" => chunk.model = Some(value),
                "choices" => chunk.choices = Some(value),
                "error" => chunk.error = Some(value),
                "object" => chunk.object = Some(value),
                _ => {}
            }
        }
        chunk
    }
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let data = frame.data.trim_ascii();
        if self.has_failed || data.is_empty() || data == b"[DONE]" {
            return;
        }
        if let Err(error) = self.chunk(frame, sink) {
            self.has_failed = true;
            sink(Event::Error(error));
        }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if self.has_failed {
            return;
        }
        if !std::mem::replace(&mut self.has_started, true) {
            sink(Event::Start { id: None, model: None });
        }
        if self.choices.is_empty() {
            sink(Event::Finish { choice: 0, finish: Finish::Stop, stop_sequence: None });
        }
        for choice in &mut self.choices {
            choice.finish("", sink);
        }
    }
}

impl Reader {
    fn chunk(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ProviderError> {
        let malformed = |message: &str| ProviderError::malformed(message);
        let value = frame.value().ok_or_else(|| malformed("an event of the stream is not JSON"))?;
        if value.kind() != Kind::Object {
            return Err(malformed("an event of the stream is not an object"));
        }
        let chunk = Chunk::read(value);
        if let Some(error) = chunk.error {
            return Err(ProviderError::read(error.raw().as_bytes()));
        }
        let is_error = chunk.object.and_then(Value::string).is_some_and(|object| object == "error");
        if is_error || frame.name.trim_ascii() == b"error" {
            return Err(ProviderError::read(value.raw().as_bytes()));
        }
        let Some(choices) = chunk.choices else { return Ok(()) };
        for value in choices.elements() {
            if !std::mem::replace(&mut self.has_started, true) {
                sink(Event::Start { id: filled(chunk.id), model: filled(chunk.model) });
            }
            self.choice(value, sink)?;
        }
        Ok(())
    }

    fn choice(&mut self, value: Value<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ProviderError> {
        let (mut index, mut delta, mut message, mut word, mut log_probabilities) = (0, None, None, None, None);
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "index" => index = value.count().unwrap_or_default(),
                "delta" => delta = Some(value),
                "message" => message = Some(value),
                "finish_reason" => word = value.string().filter(|word| !word.is_empty()),
                "logprobs" => log_probabilities = Some(value).filter(|value| tells(*value)),
                _ => {}
            }
        }
        let choice = self.at(index)?;
        if choice.is_finished() {
            return Ok(());
        }
        // Some providers repeat the whole message beside the last delta.
        if let Some(delta) = delta.or_else(|| message.filter(|_| choice.is_untouched())) {
            choice.delta(&Delta::read(delta), sink).map_err(|Broken(what)| ProviderError::malformed(what))?;
        }
        if let Some(json) = log_probabilities {
            sink(Event::LogProbabilities { choice: choice.index(), json: json.raw().into() });
        }
        if let Some(word) = word
            && choice.finish(&word, sink) == Ending::Failed
        {
            return Err(ProviderError { kind: Some(word.into_owned()), ..failed() });
        }
        Ok(())
    }

    fn at(&mut self, index: u64) -> Result<&mut Choice, ProviderError> {
        let index = u32::try_from(index).ok().filter(|index| *index < MOST_CHOICES);
        let index = index.ok_or_else(|| ProviderError::malformed("the stream has too many choices"))?;
        let known = self.choices.iter().position(|choice| choice.index() == index);
        let position = known.unwrap_or(self.choices.len());
        if known.is_none() {
            self.choices.push(Choice::new(index));
        }
        self.choices.get_mut(position).ok_or_else(failed)
    }
}

fn failed() -> ProviderError {
    ProviderError::malformed("the provider broke off its answer")
}
