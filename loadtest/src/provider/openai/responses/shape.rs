//! The response object and the items of its output.

use serde_json::{Value, json};

use super::super::super::answer::{Answer, Call, Finish};
use super::super::super::json::{Json, NULL, array, object};
use super::super::super::logprobs;
use super::super::super::prompt::Prompt;
use super::super::super::template::{CREATED, ID};
use super::super::super::usage::Usage;
use super::input::includes;
use super::reasoning;

fn usage_json(usage: &Usage) -> Json {
    object! {
        "input_tokens": usage.prompt(),
        "input_tokens_details": object! {
            "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write_5m,
        },
        "output_tokens": usage.output,
        "output_tokens_details": object! { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.prompt() + usage.output,
    }
}

/// An answer about to be written.
pub(super) struct Shape<'a> {
    pub(super) model: &'a str,
    pub(super) request: &'a Value,
    pub(super) answer: &'a Answer,
    pub(super) prompt: &'a Prompt,
}

impl Shape<'_> {
    fn given(&self, name: &str, otherwise: Value) -> Value {
        self.request.get(name).filter(|value| !value.is_null()).cloned().unwrap_or(otherwise)
    }

    /// Why the answer is not complete.
    pub(super) fn cut(&self) -> Option<&'static str> {
        match self.answer.finish {
            Finish::Length => Some("max_output_tokens"),
            Finish::Filtered => Some("content_filter"),
            _ => None,
        }
    }

    /// Of the message, once it is said.
    pub(super) fn message_status(&self) -> &'static str {
        if self.cut().is_some() { "incomplete" } else { "completed" }
    }

    /// A summary is given to those who ask for one.
    pub(super) fn summarises(&self) -> bool {
        let asked = |at: &str| self.request.pointer(at).is_some_and(Value::is_string);
        asked("/reasoning/summary") || asked("/reasoning/generate_summary")
    }

    pub(super) fn response(&self, status: &str, output: &[Json], ended: bool) -> Json {
        let cut = self.cut().filter(|_| ended);
        let incomplete = cut.map(|reason| object! { "reason": reason });
        object! {
            "id": format!("resp_{ID}"),
            "object": "response",
            "created_at": CREATED,
            "status": if cut.is_some() { "incomplete" } else { status },
            "background": false,
            "error": NULL,
            "incomplete_details": incomplete,
            "instructions": self.given("instructions", Value::Null),
            "max_output_tokens": self.given("max_output_tokens", Value::Null),
            "max_tool_calls": NULL,
            "model": self.model,
            "output": output.to_vec(),
            "parallel_tool_calls": self.given("parallel_tool_calls", json!(true)),
            "previous_response_id": self.given("previous_response_id", Value::Null),
            "prompt_cache_key": self.given("prompt_cache_key", Value::Null),
            "reasoning": self.given("reasoning", json!({ "effort": null, "summary": null })),
            "safety_identifier": NULL,
            "service_tier": if ended { "default" } else { "auto" },
            "store": self.given("store", json!(true)),
            "temperature": self.given("temperature", json!(1.0)),
            "text": self.given("text", json!({ "format": { "type": "text" }, "verbosity": "medium" })),
            "tool_choice": self.given("tool_choice", json!("auto")),
            "tools": self.given("tools", json!([])),
            "top_logprobs": self.given("top_logprobs", json!(0)),
            "top_p": self.given("top_p", json!(1.0)),
            "truncation": "disabled",
            "usage": (ended && !self.prompt.profile.no_usage).then(|| usage_json(&self.answer.usage)),
            "user": NULL,
            "metadata": self.given("metadata", json!({})),
        }
    }

    pub(super) fn reasoning(&self, summary: Vec<Json>) -> Json {
        let item = object! { "id": format!("rs_{ID}"), "type": "reasoning", "summary": summary };
        item.with_if(includes(self.request, "reasoning.encrypted_content"), "encrypted_content", || {
            reasoning::encrypted(&self.answer.reasoning).into()
        })
    }

    pub(super) fn summary(&self) -> Vec<Json> {
        let part = || object! { "type": "summary_text", "text": &self.answer.reasoning };
        self.summarises().then(part).into_iter().collect()
    }

    pub(super) fn message(status: &str, content: Vec<Json>) -> Json {
        object! {
            "id": format!("msg_{ID}"), "type": "message", "status": status, "content": content, "role": "assistant",
        }
    }

    pub(super) fn part(&self, text: &str) -> Json {
        if self.answer.finish == Finish::Refusal {
            return object! { "type": "refusal", "refusal": text };
        }
        object! { "type": "output_text", "annotations": array![], "logprobs": self.logprobs(text), "text": text }
    }

    /// Empty unless they were asked for.
    pub(super) fn logprobs(&self, text: &str) -> Vec<Json> {
        self.prompt.log_probabilities.map(|alternatives| logprobs::openai(text, alternatives)).unwrap_or_default()
    }

    pub(super) fn call(index: usize, call: &Call, status: &str, arguments: &str) -> Json {
        if call.custom {
            return object! {
                "id": format!("ctc_{ID}{index}"), "type": "custom_tool_call", "status": status,
                "call_id": format!("call_{ID}{index}"), "input": arguments, "name": &call.name,
            };
        }
        object! {
            "id": format!("fc_{ID}{index}"), "type": "function_call", "status": status, "arguments": arguments,
            "call_id": format!("call_{ID}{index}"), "name": &call.name,
        }
    }

    pub(super) fn output(&self) -> Vec<Json> {
        let mut output = Vec::new();
        if !self.answer.reasoning.is_empty() {
            output.push(self.reasoning(self.summary()));
        }
        if self.answer.calls.is_empty() {
            output.push(Self::message(self.message_status(), vec![self.part(&self.answer.text)]));
        }
        for (index, call) in self.answer.calls.iter().enumerate() {
            output.push(Self::call(index, call, "completed", &arguments(call)));
        }
        output
    }
}

/// What the model passes to a tool, as text.
pub(super) fn arguments(call: &Call) -> String {
    match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
