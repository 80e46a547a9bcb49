//! Anthropic's shapes.

use serde_json::{Value, json};

use super::wire::{ANTHROPIC, post, start};

const MESSAGES: &str = "/v1/messages";

fn body(extra: &Value) -> Value {
    let mut body = json!({"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [{"role": "user", "content": "good morning"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The message that an SDK would put together from a stream.
fn assembled(events: &[Value]) -> Value {
    let mut message = events[0]["message"].clone();
    for event in events {
        let index = usize::try_from(event["index"].as_u64().unwrap_or(0)).unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => message["content"].as_array_mut().unwrap().push(event["content_block"].clone()),
            "content_block_delta" => {
                let (field, text) = match event["delta"]["type"].as_str().unwrap() {
                    "text_delta" => ("text", &event["delta"]["text"]),
                    "thinking_delta" => ("thinking", &event["delta"]["thinking"]),
                    "signature_delta" => ("signature", &event["delta"]["signature"]),
                    _ => ("json", &event["delta"]["partial_json"]),
                };
                let block = &mut message["content"][index];
                let so_far = block[field].as_str().unwrap_or_default().to_owned();
                block[field] = json!(so_far + text.as_str().unwrap());
            }
            "content_block_stop" => {
                let block = message["content"][index].as_object_mut().unwrap();
                if let Some(text) = block.remove("json").and_then(|json| json.as_str().map(String::from))
                    && !text.is_empty()
                {
                    block["input"] = serde_json::from_str(&text).unwrap();
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["usage"]["output_tokens"] = event["usage"]["output_tokens"].clone();
            }
            _ => {}
        }
    }
    message
}

fn same(provider: &super::super::running::Running, request: &Value) -> Value {
    let mut whole = post(provider, MESSAGES, ANTHROPIC, request).json();
    let mut request = request.clone();
    request["stream"] = json!(true);
    let reply = post(provider, MESSAGES, ANTHROPIC, &request);
    for ((name, data), event) in reply.events().iter().zip(reply.data()) {
        assert_eq!(event["type"], *name, "{data}");
    }
    let mut streamed = assembled(&reply.data());
    for message in [&mut whole, &mut streamed] {
        let fields = message.as_object_mut().unwrap();
        fields.remove("id");
        // The two bodies differ, so their numbers do.
        fields.remove("usage");
        for block in fields["content"].as_array_mut().unwrap() {
            block.as_object_mut().unwrap().remove("id");
        }
    }
    assert_eq!(whole, streamed);
    whole
}

#[test]
fn streams_say_the_same_as_whole_answers() {
    let provider = start();
    let text = same(&provider, &body(&json!({})));
    assert!(text["content"][0]["text"].as_str().unwrap().starts_with("Echo: good morning "));
    let tools = json!([{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
        {"name": "now", "input_schema": {"type": "object"}}]);
    let called = same(&provider, &body(&json!({"tools": tools, "model": "claude-sim-parallel"})));
    assert_eq!(called["stop_reason"], "tool_use");
    assert_eq!(called["content"][0]["input"], json!({"city": "sample"}));
    assert_eq!(called["content"][1]["input"], json!({}));
    let thought = same(&provider, &body(&json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})));
    assert_eq!(thought["content"][0]["type"], "thinking");
}

#[test]
fn the_parts_of_the_usage_are_what_the_log_says() {
    let provider = start();
    let system = |ttl: &str| json!([{"type": "text", "text": "long ".repeat(300), "cache_control": {"type": "ephemeral", "ttl": ttl}}]);
    for (request, place) in [
        (body(&json!({"system": system("5m"), "model": "claude-sim-cached"})), "read"),
        (body(&json!({"system": system("1h")})), "any"),
        (
            body(
                &json!({"system": system("5m"), "tools": [{"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
            ),
            "any",
        ),
    ] {
        let usage = post(&provider, MESSAGES, ANTHROPIC, &request).json()["usage"].clone();
        let generated = provider.requests().pop().unwrap().generated;
        assert_eq!(usage["input_tokens"], generated.input_uncached);
        assert_eq!(usage["cache_read_input_tokens"], generated.cache_read);
        assert_eq!(usage["cache_creation"]["ephemeral_5m_input_tokens"], generated.cache_write_5m);
        assert_eq!(usage["cache_creation"]["ephemeral_1h_input_tokens"], generated.cache_write_1h);
        assert_eq!(usage["cache_creation_input_tokens"], generated.cache_write_5m + generated.cache_write_1h);
        assert!(generated.prompt() > generated.input_uncached, "{request}");
        assert!(place != "read" || generated.cache_read > 0);
    }
}

#[test]
fn a_thinking_block_must_come_back_unchanged() {
    let provider = start();
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let first = post(&provider, MESSAGES, ANTHROPIC, &body(&thinking)).json();
    let again = |content: &Value| {
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}, {"role": "user", "content": "and?"}]);
        post(&provider, MESSAGES, ANTHROPIC, &body(&json!({"messages": messages}))).status
    };
    assert_eq!(again(&first["content"]), 200);
    let mut changed = first["content"].clone();
    changed[0]["thinking"] = json!("something else");
    assert_eq!(again(&changed), 400);
}

#[test]
fn what_the_real_one_refuses_is_refused() {
    let provider = start();
    let refused = |request: &Value| {
        let reply = post(&provider, MESSAGES, ANTHROPIC, request);
        assert_eq!(reply.json()["type"], "error", "{request}");
        (reply.status, reply.json()["error"]["type"].as_str().unwrap().to_owned())
    };
    let invalid = (400, "invalid_request_error".to_owned());
    assert_eq!(refused(&json!({"model": "claude", "messages": [{"role": "user", "content": "x"}]})), invalid);
    assert_eq!(refused(&body(&json!({"temperature": 1.5}))), invalid);
    assert_eq!(refused(&body(&json!({"messages": [{"role": "system", "content": "x"}]}))), invalid);
    assert_eq!(
        refused(&body(&json!({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}))),
        invalid
    );
    let orphan = json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]);
    assert_eq!(refused(&body(&json!({"messages": orphan}))), invalid);
    let unanswered = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": "y"}]);
    assert_eq!(refused(&body(&json!({"messages": unanswered}))), invalid);
    assert_eq!(refused(&body(&json!({"model": "claude-no-such-model"}))), (404, "not_found_error".to_owned()));
    assert_eq!(post(&provider, MESSAGES, &[("x-api-key", "k")], &body(&json!({}))).status, 400, "version is required");
    provider.set_bad_keys(["sk-a"]);
    assert_eq!(refused(&body(&json!({}))), (401, "authentication_error".to_owned()));
}

#[test]
fn counting_tokens_generates_nothing() {
    let provider = start();
    let request = json!({"model": "claude", "messages": [{"role": "user", "content": "hi"}]});
    let reply = post(&provider, "/v1/messages/count_tokens?beta=true", ANTHROPIC, &request);
    assert!(reply.json()["input_tokens"].as_u64() > Some(0));
    assert_eq!(provider.requests()[0].generated, super::super::usage::Usage::default());
}

#[test]
fn stop_sequences_are_named() {
    let provider = start();
    let reply = post(&provider, MESSAGES, ANTHROPIC, &body(&json!({"stop_sequences": ["morning"]}))).json();
    assert_eq!((&reply["stop_reason"], &reply["stop_sequence"]), (&json!("stop_sequence"), &json!("morning")));
    assert_eq!(reply["content"][0]["text"], "Echo: good ");
}
