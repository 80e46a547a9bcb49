//! Input that nobody should send: it may be refused, and must do no harm.

use super::*;
use crate::json::Value;
use crate::openai::responses::read_answer;
use crate::translate::StreamTranslator;

fn odd_values() -> [Json; 9] {
    [
        json!(null),
        json!(true),
        json!(-1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"type": "message"}),
    ]
}

/// The document with each of its values exchanged for odd ones in turn.
fn spoiled(document: &Json) -> Vec<Json> {
    let mut found: Vec<Json> = odd_values().into();
    match document {
        Json::Object(members) => {
            for (name, value) in members {
                for odd in spoiled(value) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), odd);
                    found.push(Json::Object(changed));
                }
                let mut without = members.clone();
                without.remove(name);
                found.push(Json::Object(without));
            }
        }
        Json::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                for odd in spoiled(value) {
                    let mut changed = elements.clone();
                    changed[index] = odd;
                    found.push(Json::Array(changed));
                }
            }
        }
        _ => {}
    }
    found
}

#[test]
fn odd_requests_are_refused_with_a_reason_or_written_well() {
    let whole = json!({"model": "m", "instructions": "A", "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"ttl": "30m"}},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            {"type": "input_file", "filename": "f", "file_data": "AA=="}]},
        {"type": "reasoning", "id": "r", "summary": [{"text": "x"}], "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]}],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 5, "temperature": 1, "stream": true, "stream_options": {"include_obfuscation": true},
        "metadata": {}, "store": true, "user": "u"});
    assert!(read(&whole).is_ok());
    for body in spoiled(&whole) {
        match read(&body) {
            Ok(request) => {
                if let Ok((written, _)) = write_to(&request, &target("gpt-5.4")) {
                    assert_eq!(written["store"], false);
                }
            }
            Err(rejected) => assert!(!rejected.message.is_empty(), "{body}"),
        }
        Format::Responses.codec().echo(Value::parse(body.to_string().as_bytes()).unwrap());
    }
}

#[test]
fn odd_answers_do_no_harm() {
    let whole = json!({"id": "r", "model": "m", "status": "incomplete", "incomplete_details": {"reason": "x"},
        "output": [
            {"type": "reasoning", "id": "r", "summary": [{"text": "x"}], "content": [], "encrypted_content": "e"},
            {"type": "message", "content": [{"type": "output_text", "text": "a", "logprobs": [{}]}, {"refusal": "n"}]},
            {"type": "function_call", "call_id": "c", "name": "parallel", "arguments": "{\"tool_uses\":[{}]}"}]});
    for body in spoiled(&whole) {
        let text = body.to_string();
        let is_answer = read_answer::read(Value::parse(text.as_bytes()).unwrap()).is_some();
        let names = Names::default();
        let written = write_answer(Format::Responses, Format::Responses, text.as_bytes(), None, &terms(), &names);
        assert_eq!(written.is_ok(), is_answer, "{body}");
        if let Ok(written) = written {
            serde_json::from_slice::<Json>(&written).unwrap();
        }
    }
}

#[test]
fn odd_streams_do_no_harm() {
    let item = json!({"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": ""});
    let message = json!({"type": "message", "id": "m", "content": [{"text": "a"}]});
    let events = [
        json!({"type": "response.created", "response": {"id": "r", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": message}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a", "logprobs": []}),
        json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {"text": "a"}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": item}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": item}),
        json!({"type": "response.completed", "response": {"output": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    ];
    for (index, event) in events.iter().enumerate() {
        for odd in spoiled(event) {
            let mut changed = events.clone();
            changed[index] = odd;
            let mut translator =
                StreamTranslator::new(Format::Responses, Format::Responses, &terms(), Names::default());
            let mut out = Vec::new();
            for event in &changed {
                translator.feed(format!("data: {event}\n\n").as_bytes(), &Open, &mut out);
            }
            translator.finish(&Open, &mut out);
            for line in String::from_utf8(out).unwrap().lines().filter_map(|line| line.strip_prefix("data: ")) {
                serde_json::from_str::<Json>(line).unwrap();
            }
        }
    }
}
