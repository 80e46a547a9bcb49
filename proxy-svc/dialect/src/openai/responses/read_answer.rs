//! A provider's whole answer.

use std::borrow::Cow;

use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Reasoning, Text, ToolCall};
use crate::json::{Kind, Value};

use super::{signature, wrapper};

pub(super) fn read(body: Value<'_>) -> Option<Answer<'_>> {
    let output = body.get("output").filter(|output| output.kind() == Kind::Array)?;
    if body.get("error").is_some() {
        return None;
    }
    let mut found = Output::default();
    for item in output.elements() {
        found.read_item(item);
    }
    let finish = finish_of(body, found.has_calls);
    let choice = Choice {
        index: 0,
        content: found.blocks,
        finish,
        stop_sequence: None,
        log_probabilities: found
            .log_probabilities
            .map(|tokens| Cow::Owned(format!(r#"{{"content":[{tokens}],"refusal":null}}"#))),
    };
    Some(Answer {
        id: body.get("id").and_then(Value::text),
        model: body.get("model").and_then(Value::text),
        choices: vec![choice],
        blocked: None,
    })
}

/// Why the model stopped, from the response's own members.
pub(super) fn finish_of(response: Value<'_>, has_calls: bool) -> Finish {
    let is_incomplete = response.get("status").and_then(Value::string).is_some_and(|status| status == "incomplete");
    let reason = response.get("incomplete_details").and_then(|details| details.get("reason")).and_then(Value::string);
    match reason.as_deref() {
        Some("content_filter") => Finish::ContentFilter,
        // It can be asked to go on.
        Some("steered" | "max_messages") => Finish::Pause,
        Some(_) => Finish::Length,
        None if is_incomplete => Finish::Length,
        None if has_calls => Finish::ToolCalls,
        None => Finish::Stop,
    }
}

#[derive(Default)]
struct Output<'a> {
    blocks: Vec<Block<'a>>,
    has_calls: bool,
    /// Tokens with commas between them.
    log_probabilities: Option<String>,
}

impl<'a> Output<'a> {
    /// Items of tools that the provider runs have nothing for the caller.
    fn read_item(&mut self, item: Value<'a>) {
        let Some(kind) = item.get("type").and_then(Value::string) else { return };
        match &*kind {
            "message" => self.read_message(item),
            "reasoning" => self.blocks.extend(reasoning(item).map(Block::Reasoning)),
            "function_call" | "custom_tool_call" => {
                let calls = calls(item);
                self.has_calls |= !calls.is_empty();
                self.blocks.extend(calls.into_iter().map(Block::ToolCall));
            }
            _ => {}
        }
    }

    fn read_message(&mut self, item: Value<'a>) {
        for part in item.get("content").into_iter().flat_map(Value::elements) {
            if let Some(text) = part.get("text").and_then(Value::text) {
                self.blocks.push(Block::text(text));
            } else if let Some(refusal) = part.get("refusal").and_then(Value::text) {
                self.blocks.push(Block::Refusal(refusal));
            }
            for token in part.get("logprobs").into_iter().flat_map(Value::elements) {
                let tokens = self.log_probabilities.get_or_insert_default();
                if !tokens.is_empty() {
                    tokens.push(',');
                }
                tokens.push_str(token.raw());
            }
        }
    }
}

/// `None` when it shows nothing and holds nothing.
pub(super) fn reasoning(item: Value<'_>) -> Option<Reasoning<'_>> {
    let texts = |name| -> Vec<Text<'_>> {
        let parts = item.get(name).into_iter().flat_map(Value::elements);
        parts.filter_map(|part| part.get("text")?.text()).filter(|text| !text.is_empty()).collect()
    };
    let mut shown = texts("summary");
    if shown.is_empty() {
        shown = texts("content");
    }
    let text = crate::canonical::join(&shown);
    let encrypted = item.get("encrypted_content").and_then(Value::text).filter(|content| !content.is_empty());
    let signature =
        encrypted.map(|encrypted| signature::join(item.get("id").and_then(Value::text).as_ref(), &encrypted));
    (!text.is_empty() || signature.is_some()).then_some(Reasoning { text, signature })
}

/// The call that an item is; several, when the model wrapped them into one; none, when it names no tool.
pub(super) fn calls(item: Value<'_>) -> Vec<ToolCall<'_>> {
    let member = |name| item.get(name).and_then(Value::text);
    let Some(name) = member("name").filter(|name| !name.is_empty()) else { return Vec::new() };
    let is_custom = item.get("type").and_then(Value::string).is_some_and(|kind| kind == "custom_tool_call");
    let id = member("call_id").or_else(|| member("id")).filter(|id| !id.is_empty());
    let arguments = match item.get(if is_custom { "input" } else { "arguments" }) {
        Some(value) if value.kind() == Kind::Object => Arguments::Object(value),
        Some(value) => Arguments::Written(value.text().unwrap_or(Text::EMPTY)),
        None => Arguments::Written(Text::EMPTY),
    };
    if let (true, Arguments::Written(written)) = (wrapper::may_be(&name), &arguments)
        && let Some(calls) = wrapper::calls_in(id.as_ref(), written)
    {
        return calls;
    }
    vec![ToolCall { id, name, arguments, is_custom, signature: None, cache: None }]
}
