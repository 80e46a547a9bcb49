//! A whole answer for a caller.

use crate::Protocol;
use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Media, Reasoning, Text, ToolCall};
use crate::json::Value;
use crate::json::write::{Array, Object};
use crate::translate::{Terms, UNSIGNED, calls, seal_text};
use crate::usage::Usage;

use super::response::{Head, Status};
use super::{echo, signature};

pub(super) fn write(answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
    let head = Head::new(terms, answer.model.as_ref());
    // The protocol has one.
    let choice = answer.choices.first();
    let finish = match (&answer.blocked, choice) {
        (Some(_), _) => Finish::ContentFilter,
        (None, Some(choice)) => choice.finish,
        (None, None) => Finish::Stop,
    };
    let status = Status::of(finish);
    let mut response = Object::begin(out);
    let output = |response: &mut Object<'_>| {
        let mut items = Items { head: &head, terms, status, index: 0, calls: 0 };
        let mut array = response.array("output");
        if let Some(choice) = choice {
            items.write(choice, &mut array);
        }
    };
    head.write(&mut response, status, output, usage);
}

struct Items<'t> {
    head: &'t Head,
    terms: &'t Terms<'t>,
    status: Status,
    index: usize,
    calls: usize,
}

impl Items<'_> {
    fn write(&mut self, choice: &Choice<'_>, output: &mut Array<'_>) {
        let mut rest = choice.content.as_slice();
        let mut log_probabilities = choice.log_probabilities.as_deref();
        while let Some((block, behind)) = rest.split_first() {
            let spoken = rest.iter().take_while(|block| is_spoken(block)).count();
            if spoken > 0 {
                let (message, behind) = rest.split_at(spoken);
                self.write_message(message, log_probabilities.take(), behind.is_empty(), output);
                rest = behind;
                continue;
            }
            match block {
                Block::Reasoning(reasoning) => self.write_reasoning(reasoning, output),
                Block::ToolCall(call) => self.write_call(call, output),
                Block::Image { media, .. } => self.write_image(media, output),
                // No model says these, and there is no item for them.
                _ => {}
            }
            rest = behind;
        }
    }

    fn item<'o>(&mut self, output: &'o mut Array<'_>, kind: &str, prefix: &str) -> Object<'o> {
        let id = self.head.item_id(prefix, self.index);
        self.index += 1;
        let mut item = output.object();
        item.string("type", kind).string("id", &id);
        item
    }

    /// Of an item that was cut off only the last can be incomplete.
    const fn status(&self, is_last: bool) -> &'static str {
        if is_last { self.status.as_str() } else { "completed" }
    }

    fn write_message(
        &mut self,
        blocks: &[Block<'_>],
        log_probabilities: Option<&str>,
        is_last: bool,
        output: &mut Array<'_>,
    ) {
        let status = self.status(is_last);
        let mut item = self.item(output, "message", "msg");
        item.string("status", status).string("role", "assistant");
        let mut content = item.array("content");
        let mut tokens = Vec::new();
        write_tokens(log_probabilities.unwrap_or_default(), &mut tokens);
        for block in blocks {
            match block {
                Block::Text { text, .. } => {
                    write_text_part(&mut content.object(), text, &std::mem::take(&mut tokens));
                }
                Block::Refusal(refusal) => {
                    content.object().string("type", "refusal").text("refusal", refusal);
                }
                _ => {}
            }
        }
    }

    fn write_reasoning(&mut self, reasoning: &Reasoning<'_>, output: &mut Array<'_>) {
        let value = reasoning.signature.as_ref().map(|signature| signature.value.decode());
        let own = match (&reasoning.signature, &value) {
            (Some(signature), Some(value)) if signature.origin == Protocol::OpenAi => signature::split(value),
            _ => None,
        };
        let mut item = match own {
            Some((id, _)) if !id.is_empty() => {
                self.index += 1;
                let mut item = output.object();
                item.string("type", "reasoning").string("id", id);
                item
            }
            _ => self.item(output, "reasoning", "rs"),
        };
        {
            let mut summary = item.array("summary");
            if !reasoning.text.is_empty() {
                summary.object().string("type", "summary_text").text("text", &reasoning.text);
            }
        }
        match (own, &reasoning.signature) {
            (Some((_, encrypted)), _) => item.string("encrypted_content", encrypted),
            (None, Some(signature)) => item.string("encrypted_content", &seal_text(self.terms.seal, signature)),
            (None, None) if !reasoning.text.is_empty() => item.string("encrypted_content", UNSIGNED),
            (None, None) => &mut item,
        };
    }

    fn write_call(&mut self, call: &ToolCall<'_>, output: &mut Array<'_>) {
        let id = calls::answer_id(Protocol::OpenAi, self.terms, self.calls, call.id.as_ref(), call.signature.as_ref());
        self.calls += 1;
        let (kind, prefix) = if call.is_custom { ("custom_tool_call", "ctc") } else { ("function_call", "fc") };
        let mut item = self.item(output, kind, prefix);
        item.string("status", "completed").text("call_id", &id).text("name", &call.name);
        match &call.arguments {
            // The SDKs parse it.
            Arguments::Written(text) if !call.is_custom && text.is_blank() => {
                item.string("arguments", "{}");
            }
            arguments => arguments.write_as_string(&mut item, if call.is_custom { "input" } else { "arguments" }),
        }
    }

    /// An image that the model made is what OpenAI's own tool for that gives.
    fn write_image(&mut self, media: &Media<'_>, output: &mut Array<'_>) {
        if let Media::Inline { data, .. } = media {
            let mut item = self.item(output, "image_generation_call", "ig");
            item.string("status", "completed").text("result", data);
        }
    }
}

const fn is_spoken(block: &Block<'_>) -> bool {
    matches!(block, Block::Text { .. } | Block::Refusal(_))
}

/// `tokens` are log probabilities with commas between them.
pub(super) fn write_text_part(part: &mut Object<'_>, text: &Text<'_>, tokens: &[u8]) {
    part.string("type", "output_text").text("text", text).raw("annotations", "[]");
    part.array("logprobs").elements(tokens);
}

/// Appends the tokens of log probabilities in OpenAI's shape, with commas between them.
pub(super) fn write_tokens(log_probabilities: &str, tokens: &mut Vec<u8>) {
    let Ok(value) = Value::parse(log_probabilities.as_bytes()) else { return };
    for token in value.get("content").into_iter().flat_map(Value::elements) {
        if !tokens.is_empty() {
            tokens.push(b',');
        }
        echo::compact(token.raw(), tokens);
    }
}
