//! Members that a provider does not know, where the model's name or the start asks for strictness.

use serde_json::{Value, json};

use super::super::options::Options;
use super::super::running::SimulatedProvider;
use super::ask::{chat, gemini, messages, responses};
use super::wire::{Reply, start};

fn message(reply: &Reply) -> String {
    assert_eq!(reply.status, 400, "{}", reply.text());
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn unknown_members_pass_unless_strictness_was_asked_for() {
    let lenient = start();
    let odd = json!({"some_new_thing": {"x": 1}});
    for reply in [
        chat(&lenient, "gpt-4o", &odd),
        responses(&lenient, "gpt-4o", &odd),
        messages(&lenient, "claude", &odd),
        gemini(&lenient, "gemini-2.0-flash", &odd),
    ] {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let strict = SimulatedProvider::start(Options { strict: true, ..Options::default() }).unwrap();
    assert_eq!(chat(&strict, "gpt-4o", &odd).status, 400);
    assert_eq!(chat(&strict, "gpt-4o", &json!({})).status, 200);
}

#[test]
fn openai_names_what_it_does_not_know() {
    let provider = start();
    let model = "gpt-4o-sim-strict";
    let top = chat(&provider, model, &json!({"top_k": 5}));
    assert_eq!(message(&top), "Unrecognized request argument supplied: top_k");
    let part =
        json!([{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]);
    let inside = chat(&provider, model, &json!({"messages": part}));
    assert_eq!(message(&inside), "Unknown parameter: 'messages[0].content[0].cache_control'.");
    assert_eq!(inside.json()["error"]["code"], "unknown_parameter");
    let tool = json!({"tools": [{"type": "function", "function": {"name": "f", "input_schema": {}}}]});
    assert_eq!(message(&chat(&provider, model, &tool)), "Unknown parameter: 'tools[0].function.input_schema'.");
    let old = responses(&provider, model, &json!({"max_tokens": 50}));
    assert_eq!(message(&old), "Unknown parameter: 'max_tokens'.");
    let nested = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    assert_eq!(message(&responses(&provider, model, &nested)), "Unknown parameter: 'tools[0].function'.");
    let kind = chat(&provider, model, &json!({"temperature": "hot"}));
    assert_eq!(message(&kind), "Invalid type for 'temperature': expected a number.");
}

#[test]
fn an_answer_may_be_sent_back_as_it_came() {
    let provider = start();
    for model in ["gpt-4o-sim-strict", "gpt-4o-sim-reasoningcontent-strict"] {
        let said = chat(&provider, model, &json!({})).json()["choices"][0]["message"].clone();
        let turns = json!([{"role": "user", "content": "x"}, said, {"role": "user", "content": "y"}]);
        assert_eq!(chat(&provider, model, &json!({"messages": turns})).status, 200);
    }
}

#[test]
fn chat_takes_back_what_the_sdks_helpers_have_read_and_responses_does_not() {
    let provider = start();
    let model = "gpt-4o-sim-strict";
    let called = json!({"id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": "{}", "parsed_arguments": {}}});
    let turns = json!([{"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "parsed": null, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "y"}]);
    assert_eq!(chat(&provider, model, &json!({"messages": turns})).status, 200);
    let items = json!([{"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}",
        "parsed_arguments": {}}, {"type": "function_call_output", "call_id": "call_1", "output": "y"}]);
    let refused = responses(&provider, model, &json!({"input": items}));
    assert_eq!(message(&refused), "Unknown parameter: 'input[0].parsed_arguments'.");
}

#[test]
fn anthropic_permits_no_extra_inputs() {
    let provider = start();
    let model = "claude-sim-strict";
    let top = messages(&provider, model, &json!({"stop": ["x"]}));
    assert_eq!(message(&top), "stop: Extra inputs are not permitted");
    let block = json!([{"role": "user", "content": [{"type": "text", "text": "x", "annotations": []}]}]);
    assert_eq!(
        message(&messages(&provider, model, &json!({"messages": block}))),
        "messages.0.content.0.text.annotations: Extra inputs are not permitted"
    );
    let tool = json!({"tools": [{"name": "f", "input_schema": {"type": "object"}, "parameters": {}}]});
    assert_eq!(message(&messages(&provider, model, &tool)), "tools.0.parameters: Extra inputs are not permitted");
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024, "effort": "low"}});
    assert_eq!(
        message(&messages(&provider, model, &thinking)),
        "thinking.enabled.effort: Extra inputs are not permitted"
    );
    assert_eq!(messages(&provider, model, &json!({"system": "hi", "top_k": 4})).status, 200);
}

#[test]
fn gemini_cannot_find_the_field() {
    let provider = start();
    let model = "gemini-sim-strict";
    let unknown = |extra: &Value| message(&gemini(&provider, model, extra));
    assert_eq!(
        unknown(&json!({"messages": []})),
        "Invalid JSON payload received. Unknown name \"messages\": Cannot find field."
    );
    assert_eq!(
        unknown(&json!({"generationConfig": {"thinkingConfig": {"effort": "low"}}})),
        "Invalid JSON payload received. Unknown name \"effort\" at 'generation_config.thinking_config': Cannot find field."
    );
    let part = json!({"contents": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]});
    assert_eq!(
        unknown(&part),
        "Invalid JSON payload received. Unknown name \"type\" at 'contents[0].parts[0]': Cannot find field."
    );
    for known in [
        json!({"generationConfig": {"topK": 4, "maxOutputTokens": "50"}, "systemInstruction": {"parts": [{"text": "x"}]}}),
        json!({"generation_config": {"top_k": 4, "max_output_tokens": 50}, "system_instruction": {"parts": {"text": "x"}}}),
    ] {
        assert_eq!(gemini(&provider, model, &known).status, 200);
    }
}
