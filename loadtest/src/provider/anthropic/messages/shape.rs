//! The message object and its content blocks.

use super::super::super::answer::{Answer, Finish};
use super::super::super::json::{Json, object};
use super::super::super::prompt::Prompt;
use super::super::super::template::ID;
use super::super::thinking::{redacted, signature};
use super::{stop_details, stop_reason, stop_sequence, tool_use};

/// An answer about to be written.
pub(super) struct Shape<'a> {
    pub(super) model: &'a str,
    pub(super) answer: &'a Answer,
    pub(super) prompt: &'a Prompt,
    /// What is shown of the reasoning.
    pub(super) thinking: &'a str,
}

impl Shape<'_> {
    pub(super) fn message(&self, content: Vec<Json>, finish: Option<&Finish>, usage: Json) -> Json {
        object! {
            "model": self.model,
            "id": format!("msg_{ID}"),
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": finish.map(stop_reason),
            "stop_details": finish.map(stop_details),
            "stop_sequence": finish.map(stop_sequence),
            "usage": usage,
        }
    }

    /// Reasoning that only the provider can read.
    pub(super) fn redacted(&self) -> Option<Json> {
        let block = || object! { "type": "redacted_thinking", "data": redacted(&self.answer.reasoning) };
        self.prompt.profile.redacted.then(block)
    }

    pub(super) fn content(&self) -> Vec<Json> {
        let answer = self.answer;
        let mut content = Vec::new();
        if !answer.reasoning.is_empty() {
            let signature = signature(self.thinking);
            content.push(object! { "type": "thinking", "thinking": self.thinking, "signature": signature });
            content.extend(self.redacted());
        }
        if answer.calls.is_empty() && !answer.text.is_empty() {
            content.push(object! { "type": "text", "text": &answer.text });
        }
        let calls = answer.calls.iter().enumerate();
        content.extend(calls.map(|(index, call)| tool_use(index, call, call.arguments.clone())));
        content
    }
}
