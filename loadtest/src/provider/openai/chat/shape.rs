//! A whole chat completion.

use super::super::super::answer::{Answer, Call, Finish};
use super::super::super::json::{Json, NULL, array, object};
use super::super::super::logprobs;
use super::super::super::plan::{Draft, Protocol};
use super::super::super::prompt::Prompt;
use super::super::super::template::{CREATED, ID};
use super::super::super::usage::Usage;
use super::{finish_reason, usage_json};

/// An answer about to be written.
pub(super) struct Shape<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a Prompt,
    pub(super) answer: &'a Answer,
    /// Of all choices together.
    pub(super) usage: Usage,
}

impl Shape<'_> {
    fn calls(&self, choice: u64) -> Vec<Json> {
        let call = |(index, call): (usize, &Call)| called(choice, index, call, &arguments(call));
        self.answer.calls.iter().enumerate().map(call).collect()
    }

    /// Of a text that is content or a refusal; null unless they were asked for.
    pub(super) fn logprobs(&self, text: &str) -> Json {
        let Some(alternatives) = self.prompt.log_probabilities else { return NULL };
        let (said, refused) = match self.answer.finish {
            Finish::Refusal => (NULL, logprobs::openai(text, alternatives).into()),
            _ => (logprobs::openai(text, alternatives).into(), NULL),
        };
        object! { "content": said, "refusal": refused }
    }

    pub(super) fn whole(&self, speech: bool) -> Draft {
        let answer = self.answer;
        let refused = answer.finish == Finish::Refusal;
        let choice = |index: u64| {
            let said = if answer.text.is_empty() || refused || speech { NULL } else { Json::from(&answer.text) };
            let message = object! { "role": "assistant", "content": said }
                .with_if(self.prompt.profile.reasoning_content, "reasoning_content", || Json::from(&answer.reasoning))
                .with_if(!answer.calls.is_empty(), "tool_calls", || self.calls(index).into())
                .with("refusal", refused.then_some(&answer.text))
                .with_if(speech, "audio", || {
                    object! {
                        "id": format!("audio_{ID}"), "data": "UklGRiQAAABXQVZFZm10IA==", "expires_at": CREATED,
                        "transcript": &answer.text,
                    }
                })
                .with("annotations", array![]);
            object! {
                "index": index, "message": message, "logprobs": self.logprobs(&answer.text),
                "finish_reason": finish_reason(&answer.finish),
            }
        };
        let body = object! {
            "id": format!("chatcmpl-{ID}"),
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "choices": (0..self.prompt.choices).map(choice).collect::<Vec<_>>(),
        }
        .with_if(!self.prompt.profile.no_usage, "usage", || usage_json(&self.usage))
        .with("service_tier", "default")
        .with("system_fingerprint", "fp_51mu1a7ed0");
        Draft::json(Protocol::OpenAi, &body)
    }
}

/// What the model passes to a tool, as text.
pub(super) fn arguments(call: &Call) -> String {
    match (&call.arguments, call.custom) {
        (serde_json::Value::String(text), true) => text.clone(),
        (other, _) => other.to_string(),
    }
}

/// One call, or the head of one, in an answer.
pub(super) fn called(choice: u64, index: usize, call: &Call, arguments: &str) -> Json {
    let id = format!("call_{ID}{choice}{index}");
    if call.custom {
        let custom = object! { "name": &call.name, "input": arguments };
        return object! { "id": id, "type": "custom", "custom": custom };
    }
    let function = object! { "name": &call.name, "arguments": arguments };
    object! { "id": id, "type": "function", "function": function }
}
