//! A request that is read and written again says the same.

use super::*;

fn comes_back(body: &Json) {
    let first = read(body).unwrap();
    let (written, notes) = write(&first);
    assert_eq!(notes, "", "{body}");
    let second = read(&written).unwrap();
    assert_eq!(second, first, "{written}");
    assert_eq!(write(&second).0, written);
}

#[test]
fn requests_come_back() {
    comes_back(&json!({"model": "m", "input": "Hi", "instructions": "A", "stream": true, "store": false}));
    comes_back(&json!({"model": "m", "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "\u{1F600} \"q\"\n"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BB=="},
            {"type": "input_file", "file_url": "https://x/y.pdf"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"role": "assistant", "content": [
            {"type": "output_text", "text": "Well", "annotations": []}, {"type": "refusal", "refusal": "No"}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "c", "input": "ls"},
        {"type": "function_call_output", "call_id": "call_1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
            {"type": "input_text", "text": "x"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}]},
        {"role": "developer", "content": "late"},
    ]}));
    comes_back(&json!({"model": "m", "input": "Hi",
        "tools": [
            {"type": "function", "name": "f", "description": "d", "strict": true,
             "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": false}},
            {"type": "function", "name": "g", "strict": false, "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "c"},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "c"}]},
        "parallel_tool_calls": true, "max_output_tokens": 20, "top_p": 0.5, "top_logprobs": 2,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {}, "required": [], "additionalProperties": false}, "strict": true}, "verbosity": "low"},
        "include": ["message.output_text.logprobs"], "safety_identifier": "s", "prompt_cache_key": "k",
    }));
    comes_back(&json!({"model": "m", "input": "Hi", "reasoning": {"effort": "low", "summary": "concise"},
        "include": ["reasoning.encrypted_content"]}));
}
