//! An upstream's whole answer.

use super::content;
use super::finish::{self, Ending};
use super::reasoning::Given;
use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Reasoning, Text, ToolCall};
use crate::json::{Kind, Value};

pub(super) fn read(body: Value<'_>) -> Option<Answer<'_>> {
    let choices = body.get("choices").filter(|choices| choices.kind() == Kind::Array)?;
    let choices = (0..).zip(choices.elements()).map(|(position, value)| choice(value, position)).collect();
    Some(Answer { id: filled(body.get("id")), model: filled(body.get("model")), choices, blocked: None })
}

/// A text that says something.
pub(super) fn filled(value: Option<Value<'_>>) -> Option<Text<'_>> {
    value?.text().filter(|text| !text.is_empty())
}

fn choice(value: Value<'_>, position: u32) -> Choice<'_> {
    let content = value.get("message").map(message).unwrap_or_default();
    let has_calls = content.iter().any(|block| matches!(block, Block::ToolCall(_)));
    let word = value.get("finish_reason").and_then(Value::string).unwrap_or_default();
    let finish = match finish::read(&word, has_calls) {
        Ending::Proper(finish) => finish,
        // It is cut off, as at a limit.
        Ending::Failed => Finish::Length,
    };
    Choice {
        index: value.get("index").and_then(Value::count).and_then(|index| index.try_into().ok()).unwrap_or(position),
        content,
        finish,
        stop_sequence: None,
        log_probabilities: value.get("logprobs").filter(|value| tells(*value)).map(|value| value.raw().into()),
    }
}

/// Whether log probabilities were told.
pub(super) fn tells(log_probabilities: Value<'_>) -> bool {
    let has_some = |list: Value<'_>| list.elements().next().is_some();
    ["content", "refusal"].into_iter().filter_map(|name| log_probabilities.get(name)).any(has_some)
}

fn message(value: Value<'_>) -> Vec<Block<'_>> {
    let mut thoughts = Given::default();
    let (mut said, mut refusal, mut calls, mut function_call) = (None, None, None, None);
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "content" => said = Some(value),
            "reasoning_content" => thoughts.content = Some(value),
            "reasoning" => thoughts.plain = Some(value),
            "reasoning_details" => thoughts.details = Some(value),
            "refusal" => refusal = Some(value),
            "tool_calls" => calls = Some(value),
            "function_call" => function_call = Some(value),
            _ => {}
        }
    }
    let mut blocks = Vec::new();
    thoughts.each_text(&mut |text| thought(&mut blocks, text));
    if let Some(value) = said {
        self::said(&mut blocks, value);
    }
    blocks.extend(filled(refusal).map(Block::Refusal));
    let calls = calls.into_iter().flat_map(Value::elements).filter_map(call);
    blocks.extend(calls.chain(function_call.and_then(called)).map(Block::ToolCall));
    blocks
}

fn thought<'a>(blocks: &mut Vec<Block<'a>>, text: Text<'a>) {
    blocks.push(Block::Reasoning(Reasoning { text, signature: None }));
}

/// A text, or parts as Mistral has them.
fn said<'a>(blocks: &mut Vec<Block<'a>>, value: Value<'a>) {
    if let Some(text) = value.text() {
        if !text.is_empty() {
            blocks.push(Block::text(text));
        }
        return;
    }
    for part in value.elements() {
        if let Some(value) = part.get("thinking") {
            content::each_thought(value, &mut |text| thought(blocks, text));
        } else if let Some(text) = filled(part.get("text")) {
            blocks.push(Block::text(text));
        } else if let Some(text) = filled(part.get("refusal")) {
            blocks.push(Block::Refusal(text));
        }
    }
}

fn call(value: Value<'_>) -> Option<ToolCall<'_>> {
    let is_custom = value.get("custom").is_some() && value.get("function").is_none();
    let called = called(value.get(if is_custom { "custom" } else { "function" })?)?;
    Some(ToolCall { id: filled(value.get("id")), is_custom, ..called })
}

fn called(value: Value<'_>) -> Option<ToolCall<'_>> {
    let name = filled(value.get("name"))?;
    let arguments = value.get("arguments").or_else(|| value.get("input"));
    let arguments = match arguments.map(|value| (value, value.text())) {
        Some((_, Some(text))) => Arguments::Written(text),
        // Some providers do not put the object into a string.
        Some((value, None)) if value.kind() == Kind::Object => Arguments::Object(value),
        _ => Arguments::Written(Text::EMPTY),
    };
    Some(ToolCall { id: None, name, arguments, is_custom: false, signature: None, cache: None })
}
