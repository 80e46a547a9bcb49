//! Requests that the real providers refuse, and what they say.

use serde_json::{Value, json};

use super::super::running::Running;
use super::ask::{chat, gemini, messages, responses};
use super::wire::{Reply, start};

type Ask = fn(&Running, &str, &Value) -> Reply;

/// Every one of these is refused with such words.
fn refused(ask: Ask, model: &str, cases: &[(Value, &str)]) {
    let provider = start();
    for (extra, words) in cases {
        let reply = ask(&provider, model, extra);
        assert_eq!(reply.status, 400, "{extra}: {}", reply.text());
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{extra}: {message}");
    }
}

fn accepted(ask: Ask, model: &str, cases: &[Value]) {
    let provider = start();
    for extra in cases {
        let reply = ask(&provider, model, extra);
        assert_eq!(reply.status, 200, "{extra}: {}", reply.text());
    }
}

/// A question, an assistant's turn and what follows it.
fn turns(assistant: &Value, after: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": assistant}, {"role": "user", "content": after}]})
}

#[test]
fn messages_take_turns_and_answer_every_call() {
    let call = json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "t1", "content": "42"});
    let mut forgotten = turns(&json!([call]), &json!([result]));
    forgotten["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    refused(
        messages,
        "claude",
        &[
            (json!({"messages": [{"role": "assistant", "content": "x"}]}), "first message must use"),
            (turns(&json!([call, call]), &json!([result])), "`tool_use` ids must be unique"),
            (turns(&json!([call]), &json!([{"type": "text", "text": "x"}, result])), "must come first"),
            (turns(&json!("x"), &json!([call])), "can only be in `assistant` messages"),
            (turns(&json!([result]), &json!("x")), "can only be in `user` messages"),
            (turns(&json!([{"type": "tool_use", "id": "a:b", "name": "f", "input": {}}]), &json!("x")), "tool_use.id"),
            (
                turns(&json!([{"type": "tool_use", "id": "t", "name": "a.b", "input": {}}]), &json!("x")),
                "tool_use.name",
            ),
            (
                turns(&json!([{"type": "tool_use", "id": "t", "name": "f", "input": "{}"}]), &json!("x")),
                "tool_use.input",
            ),
            (turns(&json!(""), &json!("x")), "non-empty content"),
            (turns(&json!("x"), &json!("  ")), "non-whitespace"),
            (turns(&json!("x"), &json!([{"type": "text", "text": ""}])), "must be non-empty"),
            (
                json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y "}]}),
                "trailing whitespace",
            ),
            (
                json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}]}),
                "without `tool_result`",
            ),
            (forgotten, "Expected `thinking` or `redacted_thinking`"),
        ],
    );
    accepted(
        messages,
        "claude",
        &[
            turns(&json!([call]), &json!([result, {"type": "text", "text": "go on"}])),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer is"}]}),
        ],
    );
}

#[test]
fn messages_keep_their_settings_within_bounds() {
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let image = |media: &str| json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": media, "data": "AA=="}}]}]});
    let format = |schema: &Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    refused(
        messages,
        "claude",
        &[
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"top_p": 1.5}), "top_p"),
            (json!({"top_k": -1}), "top_k"),
            (json!({"stop_sequences": ["a", " "]}), "non-whitespace"),
            (json!({"tools": [tool("a.b")]}), "String should match pattern"),
            (json!({"tools": [tool("a"), tool("a")]}), "must be unique"),
            (json!({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}), "Input should be 'object'"),
            (json!({"tool_choice": {"type": "auto"}}), "while providing tools"),
            (json!({"tools": [tool("a")], "tool_choice": "auto"}), "valid dictionary"),
            (json!({"tools": [tool("a")], "tool_choice": {"type": "required"}}), "expected tags"),
            (json!({"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}}), "not found"),
            (json!({"tools": [tool("a")], "tool_choice": {"type": "any"}, "thinking": thinking}), "forces tool use"),
            (json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}), "greater than or equal to 1024"),
            (json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}), "must be greater than"),
            (json!({"thinking": thinking, "temperature": 0.5}), "may only be set to 1"),
            (json!({"thinking": thinking, "top_k": 5}), "`top_k` must be unset"),
            (json!({"thinking": {"type": "on"}}), "expected tags"),
            (json!({"output_config": {"effort": "minimal"}}), "output_config.effort"),
            (format(&json!({"type": "object", "properties": {}})), "additionalProperties"),
            (image("image/bmp"), "media_type"),
            (image("application/pdf"), "media_type"),
        ],
    );
    accepted(
        messages,
        "claude",
        &[
            image("image/webp"),
            format(&json!({"type": "object", "properties": {}, "additionalProperties": false})),
            json!({"tools": [tool("a"), {"type": "web_search_20250305", "name": "web_search"}], "tool_choice": {"type": "any"}}),
            json!({"thinking": thinking, "temperature": 1}),
        ],
    );
}

#[test]
fn chat_calls_are_answered_and_their_arguments_are_text() {
    let call = |id: &str, arguments: &Value| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let with = |assistant: &Value| json!({"messages": [{"role": "user", "content": "x"}, assistant]});
    let calls = |list: &Value| with(&json!({"role": "assistant", "tool_calls": list}));
    let part = |role: &str, kind: &str| json!({"messages": [{"role": role, "content": [{"type": kind, "text": "x", "image_url": {"url": "https://x.test/a.png"}}]}]});
    refused(
        chat,
        "gpt-4o",
        &[
            (with(&json!({"role": "assistant", "content": null})), "expected a string, got null"),
            (calls(&json!([])), "empty array"),
            (calls(&json!([call("c", &json!({"a": 1}))])), "function.arguments"),
            (calls(&json!([call(&"c".repeat(41), &json!("{}"))])), "string too long"),
            (calls(&json!([call("c", &json!("{}"))])), "did not have response messages: c"),
            (
                calls(&json!([{"id": "c", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}])),
                "pattern",
            ),
            (part("system", "image_url"), "Supported values are: 'text'"),
            (part("user", "input_text"), "Supported values are"),
            (json!({"messages": [{"role": "user", "name": "a b", "content": "x"}]}), "pattern"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}}]}]}),
                "unsupported image",
            ),
        ],
    );
    accepted(
        chat,
        "gpt-4o",
        &[
            with(&json!({"role": "assistant", "content": "", "refusal": null})),
            json!({"messages": [{"role": "developer", "content": "x"}, {"role": "system", "content": "y"}]}),
        ],
    );
}

#[test]
fn chat_keeps_its_settings_within_bounds() {
    let tool = |inner: &Value| json!({"tools": [{"type": "function", "function": inner}]});
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": open}}});
    refused(
        chat,
        "gpt-4o",
        &[
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "maximum length 4"),
            (json!({"n": 0}), "below minimum"),
            (json!({"top_logprobs": 3}), "'logprobs' is enabled"),
            (json!({"presence_penalty": 3}), "out of range"),
            (json!({"max_tokens": 5, "max_completion_tokens": 5}), "at the same time"),
            (json!({"stream_options": {"include_usage": true}}), "'stream' is enabled"),
            (json!({"tools": []}), "empty array"),
            (json!({"tool_choice": "auto"}), "'tools' are specified"),
            (tool(&json!({"name": "a b"})), "pattern"),
            (tool(&json!({"name": "f".repeat(65)})), "maximum length 64"),
            (tool(&json!({"name": "f", "parameters": {"type": "string"}})), "type: \"object\""),
            (tool(&json!({"name": "f", "strict": true, "parameters": open})), "additionalProperties"),
            (format, "additionalProperties"),
            (json!({"response_format": {"type": "json"}}), "Supported values are"),
            (json!({"reasoning_effort": "max_effort"}), "Supported values are"),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "any"}}),
                "Supported values are",
            ),
        ],
    );
    refused(
        chat,
        "gpt-5-mini",
        &[
            (json!({"max_tokens": 50}), "max_completion_tokens"),
            (json!({"temperature": 0.2}), "Only the default (1) value"),
            (json!({"stop": "x"}), "'stop' is not supported"),
        ],
    );
    accepted(
        chat,
        "gpt-5-mini",
        &[
            json!({"temperature": 1, "max_completion_tokens": 50}),
            json!({"temperature": 0.2, "reasoning_effort": "none"}),
        ],
    );
}

#[test]
fn responses_know_their_items() {
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "42"});
    let input = |items: &Value| json!({"input": items});
    let part = |role: &str, kind: &str| input(&json!([{"role": role, "content": [{"type": kind, "text": "x"}]}]));
    refused(
        responses,
        "gpt-4o",
        &[
            (input(&json!([output])), "No tool call found"),
            (input(&json!([call])), "No tool output found"),
            (input(&json!([{"type": "tool_result"}])), "Invalid value: 'tool_result'"),
            (input(&json!([{"role": "tool", "content": "x"}])), "Invalid value: 'tool'"),
            (part("user", "output_text"), "Invalid value: 'output_text'"),
            (part("assistant", "input_text"), "Invalid value: 'input_text'"),
            (part("user", "text"), "Invalid value: 'text'"),
            (
                input(
                    &json!([{"type": "function_call", "id": "call_1", "call_id": "c", "name": "f", "arguments": "{}"}, output]),
                ),
                "begins with 'fc'",
            ),
            (json!({"max_output_tokens": 15}), "Expected a value >= 16"),
            (json!({"include": ["reasoning"]}), "Invalid value: 'reasoning'"),
            (json!({"reasoning": {"effort": "huge"}}), "Invalid value: 'huge'"),
            (json!({"tools": [{"type": "function", "function": {"name": "f"}}]}), "tools[0].name"),
            (json!({"tool_choice": "required"}), "must be specified with 'tools'"),
            (json!({"text": {"format": {"type": "json_schema", "schema": {}}}}), "text.format.name"),
        ],
    );
    accepted(
        responses,
        "gpt-4o",
        &[
            input(&json!([call, output])),
            part("assistant", "output_text"),
            part("user", "input_text"),
            input(
                &json!([{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.test/a.png"}]}]),
            ),
            json!({"tools": [], "tool_choice": "auto", "store": false}),
        ],
    );
}

#[test]
fn gemini_results_match_the_calls() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result = |name: &str| json!({"functionResponse": {"name": name, "response": {"x": 1}}});
    let contents = |model: &Value, user: &Value| json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": model}, {"role": "user", "parts": user}]});
    let number = "number of function response parts";
    refused(
        gemini,
        "gemini-2.5-flash",
        &[
            (json!({"contents": []}), "contents is not specified"),
            (json!({"contents": [{"role": "user", "parts": []}]}), "must not be empty"),
            (json!({"contents": [{"role": "function", "parts": [{"text": "x"}]}]}), "valid role"),
            (contents(&json!([call("a"), call("b")]), &json!([result("a")])), number),
            (contents(&json!([call("a")]), &json!([{"text": "x"}])), number),
            (contents(&json!([call("a")]), &json!([result("b")])), "name and order"),
            (contents(&json!([call("a"), call("b")]), &json!([result("b"), result("a")])), "name and order"),
            (contents(&json!([{"text": "x"}]), &json!([result("a")])), number),
            (contents(&json!([{"text": "x"}]), &json!([call("a")])), "function call turn"),
            (contents(&json!([{"functionCall": {"name": "a", "args": "{}"}}]), &json!([result("a")])), "Struct"),
            (
                json!({"contents": [{"parts": [{"text": "x", "inlineData": {"mimeType": "image/png", "data": "AA=="}}]}]}),
                "oneof",
            ),
        ],
    );
    accepted(
        gemini,
        "gemini-2.5-flash",
        &[contents(&json!([call("a"), call("b")]), &json!([result("a"), result("b")]))],
    );
    // Neighbouring contents of the model are one turn.
    let mut chunks = contents(&json!([call("a"), call("b")]), &json!([result("a"), result("b")]));
    let last = json!({"role": "model", "parts": [{"text": ""}]});
    chunks["contents"].as_array_mut().unwrap().insert(2, last);
    accepted(gemini, "gemini-2.5-flash", &[chunks]);
    // A turn of earlier needs no signatures, the current one does.
    let mut old = contents(&json!([call("a")]), &json!([result("a")]));
    refused(gemini, "gemini-3-pro", &[(old.clone(), "missing a thought_signature")]);
    old["contents"].as_array_mut().unwrap().extend([
        json!({"role": "model", "parts": [{"text": "y"}]}),
        json!({"role": "user", "parts": [{"text": "z"}]}),
    ]);
    accepted(gemini, "gemini-3-pro", &[old]);
}

#[test]
fn gemini_keeps_its_settings_within_bounds() {
    let config = |config: &Value| json!({"generationConfig": config});
    let declared = |function: &Value| json!({"tools": [{"functionDeclarations": [function]}]});
    let schema = |schema: &Value| declared(&json!({"name": "f", "parameters": schema}));
    let property = |inner: &Value| schema(&json!({"type": "OBJECT", "properties": {"a": inner}}));
    refused(
        gemini,
        "gemini-2.5-flash",
        &[
            (config(&json!({"temperature": 2.1})), "temperature"),
            (config(&json!({"stopSequences": ["a", "b", "c", "d", "e", "f"]})), "at most 5"),
            (config(&json!({"candidateCount": 9})), "candidate_count"),
            (config(&json!({"logprobs": 2})), "response_logprobs"),
            (config(&json!({"responseSchema": {"type": "OBJECT"}})), "response_mime_type"),
            (config(&json!({"responseJsonSchema": {}})), "response_mime_type"),
            (config(&json!({"thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "LOW"}})), "only one"),
            (config(&json!({"thinkingConfig": {"thinkingLevel": "LOW"}})), "not supported for this model"),
            (declared(&json!({"name": "1f"})), "Invalid function name"),
            (declared(&json!({"name": "f".repeat(65)})), "Invalid function name"),
            (json!({"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}), "Duplicate"),
            (schema(&json!({"type": "object", "additionalProperties": false})), "\"additionalProperties\""),
            (schema(&json!({"$ref": "#/$defs/x"})), "\"$ref\""),
            (
                property(&json!({"const": 1})),
                "\"const\" at 'tools[0].function_declarations[0].parameters.properties[a]'",
            ),
            (property(&json!({"type": ["string", "null"]})), "cannot start list"),
            (property(&json!({"type": "integer", "enum": [1, 2]})), "TYPE_STRING"),
            (property(&json!({"type": "array"})), "items: missing field"),
            (schema(&json!({"type": "object", "properties": {}, "required": ["a"]})), "property is not defined"),
            (json!({"toolConfig": {"functionCallingConfig": {"mode": "REQUIRED"}}}), "Mode"),
            (json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}), "without function_declarations"),
            (
                json!({"tools": [{"functionDeclarations": [{"name": "f"}]}], "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}}),
                "mode is ANY",
            ),
        ],
    );
    let full = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": false, "$defs": {}});
    accepted(
        gemini,
        "gemini-2.5-flash",
        &[
            declared(&json!({"name": "ns.f:g-h", "parametersJsonSchema": full})),
            config(&json!({"responseMimeType": "application/json", "responseJsonSchema": full})),
            config(
                &json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": true}}, "propertyOrdering": ["a"]}}),
            ),
        ],
    );
}
