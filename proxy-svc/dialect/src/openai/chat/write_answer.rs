//! A whole answer for a caller.

use super::{echo, figures, finish, reasoning};
use crate::Protocol;
use crate::canonical::{Answer, Block, Choice, Finish, Reasoning, Text, ToolCall};
use crate::json::write::Object;
use crate::translate::Terms;
use crate::translate::calls::answer_id;
use crate::usage::Usage;

/// What a caller is told of a prompt that the provider refused.
pub(super) const BLOCKED: &str = "The provider refused the prompt: ";

pub(super) fn write(answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object
        .texts("id", &[&Text::Escaped("chatcmpl-"), &Text::plain(terms.id)])
        .string("object", "chat.completion")
        .count("created", terms.created);
    match &answer.model {
        Some(model) => object.text("model", model),
        None => object.string("model", terms.model),
    };
    let mut choices = object.array("choices");
    // Callers look at the first choice without asking whether there is one.
    match (&answer.blocked, answer.choices.as_slice()) {
        (Some(why), []) => {
            let refusal = Text::from(format!("{BLOCKED}{}", why.decode()));
            choice(&mut choices.object(), &sole(vec![Block::Refusal(refusal)], Finish::ContentFilter), terms);
        }
        (None, []) => choice(&mut choices.object(), &sole(Vec::new(), Finish::Stop), terms),
        (_, all) => all.iter().for_each(|one| choice(&mut choices.object(), one, terms)),
    }
    drop(choices);
    if let Some(usage) = usage {
        figures::write(object.object("usage"), usage);
    }
}

const fn sole(content: Vec<Block<'_>>, finish: Finish) -> Choice<'_> {
    Choice { index: 0, content, finish, stop_sequence: None, log_probabilities: None }
}

fn choice(object: &mut Object<'_>, choice: &Choice<'_>, terms: &Terms<'_>) {
    let is_legacy = echo::is_legacy(terms.echo);
    let has_calls = choice.content.iter().any(|block| matches!(block, Block::ToolCall(_)));
    object.count("index", u64::from(choice.index));
    message(&mut object.object("message"), &choice.content, is_legacy, terms);
    match &choice.log_probabilities {
        Some(json) => object.raw("logprobs", json),
        None => object.null("logprobs"),
    };
    object.string("finish_reason", finish::word(choice.finish, has_calls, is_legacy));
}

fn message(object: &mut Object<'_>, blocks: &[Block<'_>], is_legacy: bool, terms: &Terms<'_>) {
    object.string("role", "assistant");
    let (mut texts, mut refusals, mut thoughts) = (Vec::new(), Vec::new(), Vec::new());
    let mut calls: Vec<&ToolCall<'_>> = Vec::new();
    let mut has_thoughts = false;
    for block in blocks {
        match block {
            Block::Text { text, .. } => texts.push(text),
            Block::Refusal(text) => refusals.push(text),
            Block::Reasoning(Reasoning { text, signature }) => {
                has_thoughts |= signature.is_some() || !text.is_empty();
                thoughts.extend((!text.is_empty()).then_some(text));
            }
            Block::ToolCall(call) => calls.push(call),
            Block::Image { .. } | Block::Audio { .. } | Block::Document { .. } | Block::ToolResult(_) => {}
        }
    }
    if texts.is_empty() && !(calls.is_empty() && refusals.is_empty()) {
        object.null("content");
    } else {
        object.texts("content", &texts);
    }
    if refusals.is_empty() {
        object.null("refusal");
    } else {
        object.texts("refusal", &refusals);
    }
    if !thoughts.is_empty() {
        object.texts("reasoning_content", &thoughts);
    }
    if has_thoughts {
        reasoning::write_entries(&mut object.array("reasoning_details"), blocks, terms.seal);
    }
    if is_legacy {
        // There is room for one.
        if let Some(call) = calls.first() {
            called(&mut object.object("function_call"), call);
        }
    } else if !calls.is_empty() {
        let mut list = object.array("tool_calls");
        for (index, call) in calls.into_iter().enumerate() {
            tool_call(&mut list.object(), call, index, terms);
        }
    }
}

fn tool_call(object: &mut Object<'_>, call: &ToolCall<'_>, index: usize, terms: &Terms<'_>) {
    let id = answer_id(Protocol::OpenAi, terms, index, call.id.as_ref(), call.signature.as_ref());
    let kind = if call.is_custom { "custom" } else { "function" };
    called(&mut object.text("id", &id).string("type", kind).object(kind), call);
}

fn called(object: &mut Object<'_>, call: &ToolCall<'_>) {
    object.text("name", &call.name);
    match &call.arguments {
        arguments if call.is_custom => arguments.write_as_string(object, "input"),
        // It is parsed, and nothing at all is no JSON.
        crate::canonical::Arguments::Written(text) if text.is_empty() => {
            object.string("arguments", "{}");
        }
        arguments => arguments.write_as_string(object, "arguments"),
    }
}
