//! An upstream's whole answer.

use crate::Protocol;
use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Reasoning, Signature, Text, ToolCall};
use crate::json::{Kind, Value};

use super::{finish, thoughts};

pub(super) fn read(body: Value<'_>) -> Option<Answer<'_>> {
    let content = body.get("content").filter(|content| content.kind() == Kind::Array)?;
    let mut content: Vec<Block<'_>> = content.elements().filter_map(block).collect();
    let reason = body.get("stop_reason").and_then(Value::string);
    let finish = reason.map_or_else(|| unsaid(&content), |reason| finish::read(&reason));
    if finish == Finish::ContentFilter {
        content.extend(explanation(body).map(Block::Refusal));
    }
    let choice = Choice {
        index: 0,
        content,
        finish,
        stop_sequence: body.get("stop_sequence").and_then(Value::text),
        log_probabilities: None,
    };
    Some(Answer {
        id: body.get("id").and_then(Value::text),
        model: body.get("model").and_then(Value::text),
        choices: vec![choice],
        blocked: None,
    })
}

/// What Anthropic says about a refusal, of an answer or of a `message_delta`'s delta.
pub(super) fn explanation(value: Value<'_>) -> Option<Text<'_>> {
    value.get("stop_details")?.get("explanation")?.text().filter(|text| !text.is_blank())
}

fn unsaid(content: &[Block<'_>]) -> Finish {
    if content.iter().any(|block| matches!(block, Block::ToolCall(_))) { Finish::ToolCalls } else { Finish::Stop }
}

/// What Anthropic's servers did on the way is not shown: the model's own words follow.
fn block(value: Value<'_>) -> Option<Block<'_>> {
    let text = |name: &str| value.get(name).and_then(Value::text);
    match &*value.get("type")?.string()? {
        "text" => text("text").filter(|text| !text.is_empty()).map(Block::text),
        "thinking" => {
            let signature = text("signature").filter(|signature| !signature.is_empty());
            let signature = signature.map(|value| Signature { origin: Protocol::Anthropic, value });
            Some(Block::Reasoning(Reasoning { text: text("thinking").unwrap_or(Text::EMPTY), signature }))
        }
        "redacted_thinking" => {
            let signature = Some(thoughts::redacted(&text("data")?));
            Some(Block::Reasoning(Reasoning { text: Text::EMPTY, signature }))
        }
        "tool_use" => {
            let input = value.get("input").filter(|input| input.kind() == Kind::Object);
            Some(Block::ToolCall(ToolCall {
                id: text("id"),
                name: text("name").filter(|name| !name.is_empty())?,
                arguments: Arguments::Object(input.unwrap_or(Value::EMPTY_OBJECT)),
                is_custom: false,
                signature: None,
                cache: None,
            }))
        }
        _ => None,
    }
}
