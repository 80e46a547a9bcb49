//! What stands in the candidates of an answer, and of a stream's chunk, which has the same shape.

use crate::Protocol;
use crate::canonical::{Signature, Text};
use crate::json::{Kind, Value};

#[derive(Default)]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    parts: Option<Value<'a>>,
    pub(super) finish: Option<Text<'a>>,
    pub(super) log_probabilities: Option<Value<'a>>,
}

/// One part: a text, a thought or a call. Others (code that ran at Google, images) cannot be shown elsewhere.
#[derive(Default)]
pub(super) struct Part<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) is_thought: bool,
    pub(super) signature: Option<Signature<'a>>,
    pub(super) call: Option<Call<'a>>,
}

#[derive(Default)]
pub(super) struct Call<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) arguments: Option<Value<'a>>,
    /// Some of the arguments, of a call that comes in pieces.
    pub(super) partial: Option<Value<'a>>,
    pub(super) will_continue: bool,
}

impl<'a> Candidate<'a> {
    pub(super) fn read(value: Value<'a>) -> Self {
        let mut candidate = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "index" => candidate.index = value.count().and_then(|index| u32::try_from(index).ok()),
                "content" => candidate.parts = value.get("parts"),
                "finishReason" => candidate.finish = value.text(),
                "logprobsResult" => candidate.log_probabilities = Some(value),
                _ => {}
            }
        }
        candidate
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        self.parts.into_iter().flat_map(Value::elements).map(Part::read)
    }
}

impl<'a> Part<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut part = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "text" => part.text = value.text(),
                "thought" => part.is_thought = value.boolean() == Some(true),
                "thoughtSignature" => {
                    let signature = value.text().filter(|text| !text.is_empty());
                    part.signature = signature.map(|value| Signature { origin: Protocol::Gemini, value });
                }
                "functionCall" if value.kind() == Kind::Object => part.call = Some(Call::read(value)),
                _ => {}
            }
        }
        part
    }
}

impl<'a> Call<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut call = Self::default();
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "id" => call.id = value.text().filter(|text| !text.is_empty()),
                "name" => call.name = value.text().filter(|text| !text.is_empty()),
                "args" if value.kind() == Kind::Object => call.arguments = Some(value),
                "partialArgs" => call.partial = Some(value),
                "willContinue" => call.will_continue = value.boolean() == Some(true),
                _ => {}
            }
        }
        call
    }
}
