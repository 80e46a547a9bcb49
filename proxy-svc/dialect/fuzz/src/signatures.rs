//! What a provider wants back unmodified: through every caller's hands, and whatever a caller makes of it.

use serde_json::{Value, json};
use tollgate_dialect::translate::{Exchange, Format, Names};

use super::{Turned, answers, json, requests, terms};

/// Takes the input for a provider's signature, and for what a caller puts where one belongs.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    returned(Format::Messages, "claude-sonnet-4-5", &claude(&text), "signature", &text);
    returned(Format::Messages, "claude-sonnet-4-5", &redacted(&text), "data", &text);
    returned(Format::Generate, "gemini-3-pro-preview", &gemini(&text), "thoughtSignature", &text);
    if !text.contains(' ') && !text.starts_with("tgs1_") {
        returned(Format::Responses, "gpt-5.2", &gpt(&text), "encrypted_content", &text);
    }
    for (format, body) in invented(&text) {
        requests::check(format, body.to_string().as_bytes());
    }
}

/// An answer goes to a caller of each other protocol, who goes on with it.
fn returned(from: Format, model: &str, answer: &Value, member: &str, signature: &str) {
    if signature.is_empty() {
        return;
    }
    let body = answer.to_string();
    let terms = terms(&Turned, b"");
    for to in Format::ALL.into_iter().filter(|to| to.protocol() != from.protocol()) {
        let exchange = Exchange::Conversation { from, to };
        let usage = answers::usage(from, body.as_bytes());
        let shown = exchange.write_answer(body.as_bytes(), usage.as_ref(), &terms, &Names::default());
        let shown = json::parse(&shown.unwrap_or_else(|error| panic!("{error}")), "the answer");
        let next = next_turn(to, &shown);
        let written = requests::write(to, next.to_string().as_bytes(), &Turned, from, model);
        let written = written.unwrap_or_else(|rejected| panic!("{}: {rejected}\n{next}", to.as_str()));
        let written = json::parse(&written, "the request");
        assert!(holds(&written, member, signature), "{} loses {signature:?}\n{next}\n{written}", to.as_str());
    }
}

fn holds(value: &Value, member: &str, text: &str) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| (name == member && value.as_str() == Some(text)) || holds(value, member, text)),
        Value::Array(elements) => elements.iter().any(|element| holds(element, member, text)),
        _ => false,
    }
}

fn claude(signature: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [
        {"type": "thinking", "thinking": "Paris?", "signature": signature},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 2}})
}

fn redacted(data: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [
        {"type": "redacted_thinking", "data": data},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 2}})
}

fn gemini(signature: &str) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [
        {"text": "Paris?", "thought": true},
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": signature},
    ]}, "finishReason": "STOP", "index": 0}]})
}

fn gpt(encrypted: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5.2", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"},
    ]})
}

/// The conversation goes on with what the caller was given.
fn next_turn(format: Format, shown: &Value) -> Value {
    match format {
        Format::Chat => {
            let message = &shown["choices"][0]["message"];
            let result = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "18"});
            json!({"model": "m", "messages": [{"role": "user", "content": "?"}, message, result],
                "tools": [{"type": "function", "function": {"name": "weather"}}]})
        }
        Format::Responses => {
            let mut input = vec![json!({"role": "user", "content": "?"})];
            input.extend(shown["output"].as_array().into_iter().flatten().cloned());
            let call = input.iter().find(|item| item["type"] == "function_call").map(|item| item["call_id"].clone());
            input.push(json!({"type": "function_call_output", "call_id": call, "output": "18"}));
            json!({"model": "m", "input": input, "tools": [{"type": "function", "name": "weather"}]})
        }
        Format::Messages => {
            let content = &shown["content"];
            let call = content.as_array().into_iter().flatten().find(|block| block["type"] == "tool_use");
            let result = json!({"type": "tool_result", "tool_use_id": call.map(|call| &call["id"]), "content": "18"});
            json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "?"},
                {"role": "assistant", "content": content}, {"role": "user", "content": [result]}],
                "tools": [{"name": "weather", "input_schema": {"type": "object"}}]})
        }
        Format::Generate => {
            let result = json!({"functionResponse": {"name": "weather", "response": {"output": "18"}}});
            json!({"contents": [{"role": "user", "parts": [{"text": "?"}]}, shown["candidates"][0]["content"],
                {"role": "user", "parts": [result]}],
                "tools": [{"functionDeclarations": [{"name": "weather"}]}]})
        }
    }
}

/// Requests of callers who put anything at all where something sealed belongs.
fn invented(text: &str) -> Vec<(Format, Value)> {
    let id = format!("call_1-{text}");
    let chat = json!({"messages": [{"role": "assistant", "content": null,
        "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": text},
            {"type": "reasoning.encrypted", "data": text}],
        "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": text}}]},
        {"role": "tool", "tool_call_id": id, "content": text}]});
    let responses = json!({"input": [
        {"type": "reasoning", "id": text, "summary": [], "encrypted_content": text},
        {"type": "function_call", "call_id": id, "name": "f", "arguments": text},
        {"type": "function_call_output", "call_id": id, "output": text}]});
    let messages = json!({"max_tokens": 9, "messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "t", "signature": text}, {"type": "redacted_thinking", "data": text},
        {"type": "tool_use", "id": id, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": text}]}]});
    let generate = json!({"contents": [{"role": "model", "parts": [
        {"text": "t", "thought": true, "thoughtSignature": text},
        {"functionCall": {"id": id, "name": "f", "args": {}}, "thoughtSignature": text}]},
        {"role": "user", "parts": [{"functionResponse": {"id": id, "name": "f", "response": {"o": text}}}]}]});
    let sealed = [(Format::Chat, chat), (Format::Responses, responses)];
    sealed.into_iter().chain([(Format::Messages, messages), (Format::Generate, generate)]).collect()
}
