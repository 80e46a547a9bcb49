//! A whole answer for a caller.

use crate::Protocol;
use crate::canonical::{Answer, Block, Finish, Text};
use crate::json::write::{Array, Object};
use crate::translate::{Terms, calls};
use crate::usage::Usage;

use super::thoughts::Proof;
use super::{finish, usage};

/// In front of the provider's word for why it refused a prompt.
pub(super) const BLOCKED: &str = "The provider refused the prompt: ";

pub(super) fn write(answer: &Answer<'_>, told: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.string("id", &id(terms)).string("type", "message").string("role", "assistant");
    match answer.model.as_ref().filter(|model| !model.is_empty()) {
        Some(model) => object.text("model", model),
        None => object.string("model", terms.model),
    };
    // A caller of this protocol can ask for no more than one answer.
    let choice = answer.choices.iter().min_by_key(|choice| choice.index);
    let mut said = Said::default();
    {
        let mut content = object.array("content");
        for block in choice.into_iter().flat_map(|choice| &choice.content) {
            said.write(block, &mut content, terms);
        }
        if let (None, Some(reason)) = (choice, &answer.blocked) {
            let text = Text::from(format!("{BLOCKED}{}", reason.decode()));
            said.write(&Block::Refusal(text), &mut content, terms);
        }
    }
    let how = choice.map_or(Finish::ContentFilter, |choice| choice.finish);
    let reason = finish::write(how, said.calls > 0, said.refusal.is_some());
    object.string("stop_reason", reason);
    let stop_sequence = choice.and_then(|choice| choice.stop_sequence.as_ref());
    match stop_sequence.filter(|_| reason == "stop_sequence") {
        Some(text) => object.text("stop_sequence", text),
        None => object.null("stop_sequence"),
    };
    write_details(&mut object, reason, said.refusal.as_ref());
    usage::write_whole(&mut object, told.unwrap_or(&Usage::default()));
}

/// The answer's id in Anthropic's form.
pub(super) fn id(terms: &Terms<'_>) -> String {
    let mut id = String::from("msg_");
    id.extend(terms.id.chars().filter(char::is_ascii_alphanumeric));
    id
}

/// `stop_details`, which only refusals have.
pub(super) fn write_details(object: &mut Object<'_>, reason: &str, refusal: Option<&Text<'_>>) {
    if reason != "refusal" {
        object.null("stop_details");
        return;
    }
    let mut object = object.object("stop_details");
    object.string("type", "refusal").null("category");
    match refusal {
        Some(text) => object.text("explanation", text),
        None => object.null("explanation"),
    };
}

/// What was written of an answer.
#[derive(Default)]
struct Said<'a> {
    calls: usize,
    refusal: Option<Text<'a>>,
}

impl<'a> Said<'a> {
    fn write(&mut self, block: &Block<'a>, content: &mut Array<'_>, terms: &Terms<'_>) {
        match block {
            Block::Text { text, .. } if !text.is_empty() => {
                content.object().string("type", "text").text("text", text);
            }
            Block::Refusal(text) if !text.is_empty() => {
                content.object().string("type", "text").text("text", text);
                self.refusal = Some(text.clone());
            }
            Block::Reasoning(thought) => {
                let has_text = !thought.text.is_empty();
                let proof = Proof::for_caller(terms.seal, thought.signature.as_ref(), has_text);
                if has_text || !matches!(proof, Proof::None) {
                    proof.write(&mut content.object(), &thought.text);
                }
            }
            Block::ToolCall(call) => {
                let signature = call.signature.as_ref();
                let id = calls::answer_id(Protocol::Anthropic, terms, self.calls, call.id.as_ref(), signature);
                self.calls += 1;
                let mut object = content.object();
                object.string("type", "tool_use").text("id", &id).text("name", &call.name);
                call.arguments.write_as_object(&mut object, "input");
            }
            // The protocol has no place in an answer for the others.
            _ => {}
        }
    }
}
