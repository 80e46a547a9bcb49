//! The same question in all four protocols, for tests of what all of them can do.

use serde_json::{Value, json};

use super::super::running::Running;
use super::wire::{ANTHROPIC, GEMINI, OPENAI, Reply, post};

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const RESPONSES: &str = "/v1/responses";
pub(super) const MESSAGES: &str = "/v1/messages";

fn with(mut body: Value, extra: &Value) -> Value {
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(super) fn chat(provider: &Running, model: &str, extra: &Value) -> Reply {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "good morning"}]});
    post(provider, CHAT, OPENAI, &with(body, extra))
}

pub(super) fn responses(provider: &Running, model: &str, extra: &Value) -> Reply {
    post(provider, RESPONSES, OPENAI, &with(json!({"model": model, "input": "good morning"}), extra))
}

pub(super) fn messages(provider: &Running, model: &str, extra: &Value) -> Reply {
    let body = json!({"model": model, "max_tokens": 2048, "messages": [{"role": "user", "content": "good morning"}]});
    post(provider, MESSAGES, ANTHROPIC, &with(body, extra))
}

pub(super) fn gemini(provider: &Running, model: &str, extra: &Value) -> Reply {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "good morning"}]}]});
    post(provider, &format!("/v1beta/models/{model}:generateContent"), GEMINI, &with(body, extra))
}

pub(super) fn gemini_stream(provider: &Running, model: &str, extra: &Value) -> Reply {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "good morning"}]}]});
    post(provider, &format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"), GEMINI, &with(body, extra))
}
