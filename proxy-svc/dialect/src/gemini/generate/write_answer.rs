//! A whole answer for a caller of Gemini's protocol.

use super::{finish, log_probabilities, usage_metadata};
use crate::Protocol;
use crate::canonical::{Answer, Block, Choice, Signature};
use crate::json::write::{Array, Object};
use crate::translate::{Seal, Terms, calls, sealed_base64};
use crate::usage::Usage;

pub(super) fn write(answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    if let Some(reason) = &answer.blocked {
        finish::write_blocked(&mut object, reason);
    } else {
        let mut candidates = object.array("candidates");
        let mut calls = 0;
        for choice in &answer.choices {
            write_choice(choice, &mut calls, terms, &mut candidates.object());
        }
    }
    if let Some(usage) = usage {
        usage_metadata::write(&mut object, usage);
    }
    match &answer.model {
        Some(model) if !model.is_empty() => object.text("modelVersion", model),
        _ => object.string("modelVersion", terms.model),
    };
    object.string("responseId", terms.id);
}

fn write_choice(choice: &Choice<'_>, calls: &mut usize, terms: &Terms<'_>, candidate: &mut Object<'_>) {
    {
        let mut content = candidate.object("content");
        {
            let mut parts = content.array("parts");
            let mut is_empty = true;
            for block in choice.content.iter().filter(|block| !finish::explains(choice.finish, block)) {
                is_empty &= !write_block(block, calls, terms, &mut parts);
            }
            if is_empty {
                parts.object().string("text", "");
            }
        }
        content.string("role", "model");
    }
    candidate.string("finishReason", finish::word(choice.finish)).count("index", u64::from(choice.index));
    let explanation = choice.content.iter().find_map(|block| match block {
        Block::Refusal(text) if finish::explains(choice.finish, block) => Some(text),
        _ => None,
    });
    if let Some(text) = explanation {
        candidate.text("finishMessage", text);
    }
    if let Some(json) = &choice.log_probabilities {
        log_probabilities::write(candidate, json);
    }
}

/// Returns whether a part was written.
fn write_block(block: &Block<'_>, calls: &mut usize, terms: &Terms<'_>, parts: &mut Array<'_>) -> bool {
    match block {
        Block::Text { text, .. } | Block::Refusal(text) if !text.is_empty() => {
            parts.object().text("text", text);
        }
        Block::Reasoning(reasoning) if !reasoning.text.is_empty() || reasoning.signature.is_some() => {
            let mut part = parts.object();
            part.text("text", &reasoning.text).boolean("thought", true);
            if let Some(signature) = &reasoning.signature {
                write_signature(signature, terms.seal, &mut part);
            }
        }
        Block::ToolCall(call) => {
            let signature = call.signature.as_ref();
            let id = calls::answer_id(Protocol::Gemini, terms, *calls, call.id.as_ref(), signature);
            *calls += 1;
            let mut part = parts.object();
            {
                let mut function = part.object("functionCall");
                function.text("id", &id).text("name", &call.name);
                call.arguments.write_as_object(&mut function, "args");
            }
            // Another's is behind the id.
            if let Some(signature) = signature.filter(|signature| signature.origin == Protocol::Gemini) {
                write_signature(signature, terms.seal, &mut part);
            }
        }
        _ => return false,
    }
    true
}

/// As it is, or sealed where it is another provider's.
pub(super) fn write_signature(signature: &Signature<'_>, seal: &dyn Seal, part: &mut Object<'_>) {
    if signature.origin == Protocol::Gemini {
        part.text("thoughtSignature", &signature.value);
    } else {
        part.string("thoughtSignature", &sealed_base64(seal, signature));
    }
}
