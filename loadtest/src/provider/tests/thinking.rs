//! Reasoning on its way out, and on its way back.

use serde_json::{Value, json};

use super::ask::{chat, gemini, messages, responses};
use super::wire::start;

#[test]
fn a_summary_and_encrypted_content_come_to_those_who_ask() {
    let provider = start();
    let plain = responses(&provider, "gpt-5", &json!({})).json()["output"][0].clone();
    assert_eq!((&plain["summary"], plain.get("encrypted_content")), (&json!([]), None));
    let asked = json!({"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": false});
    let item = responses(&provider, "gpt-5", &asked).json()["output"][0].clone();
    assert!(item["summary"][0]["text"].is_string() && item["encrypted_content"].is_string());
    let mut streamed = asked.clone();
    streamed["stream"] = json!(true);
    let events = responses(&provider, "gpt-5", &streamed).data();
    assert!(events.iter().any(|event| event["type"] == "response.reasoning_summary_text.delta"));
    let events = responses(&provider, "gpt-5", &json!({"stream": true})).data();
    assert!(!events.iter().any(|event| event["type"].as_str().unwrap().contains("reasoning_summary")));
}

#[test]
fn reasoning_items_come_back_as_they_went() {
    let provider = start();
    let asked = json!({"include": ["reasoning.encrypted_content"], "store": false});
    let output = responses(&provider, "gpt-5", &asked).json()["output"].clone();
    let again = |reasoning: &Value, followed: bool| {
        let mut input = vec![json!({"role": "user", "content": "hi"}), reasoning.clone()];
        if followed {
            input.push(output[1].clone());
        }
        input.push(json!({"role": "user", "content": "and?"}));
        responses(&provider, "gpt-5", &json!({"input": input, "store": false}))
    };
    assert_eq!(again(&output[0], true).status, 200);
    let lonely = again(&output[0], false);
    assert!(lonely.status == 400 && lonely.text().contains("without its required following item"));
    let mut changed = output[0].clone();
    changed["encrypted_content"] = json!("gAAAAA");
    assert_eq!(again(&changed, true).json()["error"]["code"], "invalid_encrypted_content");
    changed.as_object_mut().unwrap().remove("encrypted_content");
    assert!(again(&changed, true).text().contains("not found"), "nothing was stored");
}

#[test]
fn redacted_thinking_is_signed_too() {
    let provider = start();
    let content = messages(&provider, "claude-sim-redacted", &json!({})).json()["content"].clone();
    let kinds: Vec<&str> = content.as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "text"]);
    let events = messages(&provider, "claude-sim-redacted", &json!({"stream": true})).data();
    let starts: Vec<Value> = events.iter().filter_map(|event| event.pointer("/content_block/type").cloned()).collect();
    assert_eq!(starts, ["thinking", "redacted_thinking", "text"]);
    assert!(events.iter().any(|event| event["delta"]["type"] == "signature_delta"));
    let again = |content: &Value| {
        let turns = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}, {"role": "user", "content": "and?"}]);
        messages(&provider, "claude-sim-redacted", &json!({"messages": turns})).status
    };
    assert_eq!(again(&content), 200);
    let mut changed = content;
    changed[1]["data"] = json!("c29tZXRoaW5nIGVsc2U=");
    assert_eq!(again(&changed), 400);
}

#[test]
fn omitted_thinking_is_signed_without_a_word() {
    let provider = start();
    let thinking = json!({"thinking": {"type": "adaptive", "display": "omitted"}, "stream": true});
    let events = messages(&provider, "claude", &thinking).data();
    assert!(!events.iter().any(|event| event["delta"]["type"] == "thinking_delta"));
    assert!(events.iter().any(|event| event["delta"]["type"] == "signature_delta"));
}

#[test]
fn a_thought_signature_belongs_to_its_part() {
    let provider = start();
    let tools = json!([{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]);
    let first = gemini(&provider, "gemini-3-pro-sim-parallel", &json!({"tools": tools})).json();
    let parts = first["candidates"][0]["content"]["parts"].clone();
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1].get("thoughtSignature").is_none());
    let again = |parts: &Value| {
        let result = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": parts},
            {"role": "user", "parts": [result("a"), result("b")]}]);
        gemini(&provider, "gemini-3-pro-sim-parallel", &json!({"tools": tools, "contents": contents})).status
    };
    assert_eq!(again(&parts), 200);
    let mut moved = parts.clone();
    moved[1]["thoughtSignature"] = moved[0]["thoughtSignature"].take();
    assert_eq!(again(&moved), 400);
    let mut stand_in = parts.clone();
    stand_in[0]["thoughtSignature"] = json!("skip_thought_signature_validator");
    assert_eq!(again(&stand_in), 200);
}

#[test]
fn chat_says_its_reasoning_in_the_way_of_compatible_providers() {
    let provider = start();
    let whole = chat(&provider, "sim-reasoningcontent", &json!({})).json();
    let chunks = chat(&provider, "sim-reasoningcontent", &json!({"stream": true})).data();
    let said = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/reasoning_content")?.as_str());
    assert_eq!(whole["choices"][0]["message"]["reasoning_content"], said.collect::<String>());
}
