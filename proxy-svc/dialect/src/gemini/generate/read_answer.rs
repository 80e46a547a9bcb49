//! A whole answer of Gemini's.

use std::borrow::Cow;

use super::candidate::{Candidate, Part};
use super::{finish, log_probabilities};
use crate::canonical::{Answer, Arguments, Block, Choice, Reasoning, Text, ToolCall};
use crate::json::{Kind, Value};

pub(super) fn read(body: Value<'_>) -> Option<Answer<'_>> {
    let mut answer = Answer::default();
    let mut is_answer = false;
    let mut blocked = None;
    for (name, value) in body.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "candidates" if value.kind() == Kind::Array => {
                is_answer = true;
                answer.choices =
                    (0..).zip(value.elements()).map(|(index, candidate)| choice(index, candidate)).collect();
            }
            "promptFeedback" => blocked = value.get("blockReason").and_then(Value::text),
            "usageMetadata" => is_answer = true,
            "modelVersion" => answer.model = value.text(),
            "responseId" => answer.id = value.text(),
            _ => {}
        }
    }
    if answer.choices.is_empty() {
        answer.blocked = blocked;
    }
    (is_answer || answer.blocked.is_some()).then_some(answer)
}

fn choice(position: u32, value: Value<'_>) -> Choice<'_> {
    let candidate = Candidate::read(value);
    let mut content = Vec::new();
    candidate.parts().for_each(|part| blocks(part, &mut content));
    let has_calls = content.iter().any(|block| matches!(block, Block::ToolCall(_)));
    Choice {
        index: candidate.index.unwrap_or(position),
        content,
        finish: finish::read(candidate.finish.as_ref().map(Text::decode).as_deref(), has_calls),
        stop_sequence: None,
        log_probabilities: candidate.log_probabilities.and_then(log_probabilities::read).map(Cow::Owned),
    }
}

/// A signature of a text stands behind it, in a block of its own.
fn blocks<'a>(part: Part<'a>, content: &mut Vec<Block<'a>>) {
    let Part { text, is_thought, signature, call } = part;
    if let Some(call) = call {
        let Some(name) = call.name else { return };
        let arguments = Arguments::Object(call.arguments.unwrap_or(Value::EMPTY_OBJECT));
        let id = call.id;
        content.push(Block::ToolCall(ToolCall { id, name, arguments, is_custom: false, signature, cache: None }));
        return;
    }
    let text = text.unwrap_or(Text::EMPTY);
    if is_thought {
        if !text.is_empty() || signature.is_some() {
            content.push(Block::Reasoning(Reasoning { text, signature }));
        }
        return;
    }
    if !text.is_empty() {
        content.push(Block::text(text));
    }
    if signature.is_some() {
        content.push(Block::Reasoning(Reasoning { text: Text::EMPTY, signature }));
    }
}
