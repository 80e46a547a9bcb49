//! A request of this protocol, read and written again, means what it meant.

use super::*;

#[test]
fn a_request_comes_through_as_it_was() {
    let request = json!({
        "model": MODEL, "max_tokens": 5000, "stream": true, "stop_sequences": ["END"], "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "T"}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": false}}},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Look \u{1f600} \"here\"\n", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "aQ=="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm\n", "signature": "S/+=="}, {"type": "redacted_thinking", "data": "D=="},
                {"type": "text", "text": "Calling"}, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1.0}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                    {"type": "text", "text": "x"}, {"type": "image", "source": {"type": "url", "url": "https://x/i.png"}}]},
                {"type": "text", "text": "And now?"}]},
        ],
    });
    read_as(&request, |read, notes| {
        assert_eq!(notes, "");
        assert_eq!(written(read), (request.clone(), String::new()));
    });
}

/// Whatever is cut off or replaced in a request, it is read or rejected.
#[test]
fn broken_requests_do_no_harm() {
    let request = json!({"max_tokens": 10, "system": [{"type": "text", "text": "S"}], "thinking": {"type": "adaptive"},
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"anyOf": [{}]}}}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}]}]}]});
    let text = request.to_string();
    let starts: Vec<usize> = text.match_indices(':').map(|(at, _)| at + 1).collect();
    for start in starts {
        let end = start + crate::json::skip_value(&text.as_bytes()[start..], 0, 0).unwrap();
        for other in [
            "null",
            "1",
            "-1",
            "true",
            "\"\"",
            "\"x\"",
            "[]",
            "{}",
            "[[]]",
            "[null]",
            "[{}]",
            "{\"type\":\"object\"}",
            "1e999",
        ] {
            let changed = format!("{}{other}{}", &text[..start], &text[end..]);
            if let Ok(request) = read_request(Format::Messages, changed.as_bytes(), &CALLER)
                && let Ok(written) = write_for("claude-opus-4-5", &request)
            {
                Value::parse(&written.body).unwrap();
            }
        }
    }
}
