//! What a response repeats of its request.
//!
//! As the caller wrote it, but for white space: a line break inside would end the line of an event.

use crate::json::Value;
use crate::json::write::Object;

/// With what OpenAI itself answers where the caller said nothing. `store` is always off: nothing is stored.
const DEFAULTS: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("store", "false"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// The members without the braces around them.
pub(super) fn of(body: Value<'_>) -> Vec<u8> {
    let mut found = [None; DEFAULTS.len()];
    for (name, value) in body.members().filter(|(_, value)| !value.is_null()) {
        if let Some(index) = DEFAULTS.iter().position(|(known, _)| *known == name) {
            found[index] = Some(value);
        }
    }
    let mut out = Vec::with_capacity(512);
    for ((name, default), value) in DEFAULTS.iter().zip(found) {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match (*name, value) {
            // No other tier, and no storage, is used for what is translated.
            ("service_tier" | "store" | "truncation", _) | (_, None) => out.extend_from_slice(default.as_bytes()),
            ("text", Some(value)) if value.get("format").is_none() => text_without_format(value, &mut out),
            (_, Some(value)) => compact(value.raw(), &mut out),
        }
    }
    out
}

/// The SDKs count on the format.
fn text_without_format(value: Value<'_>, out: &mut Vec<u8>) {
    let mut text = Object::begin(out);
    text.raw("format", r#"{"type":"text"}"#);
    if let Some(verbosity) = value.get("verbosity") {
        text.value("verbosity", verbosity);
    }
}

/// Copies a JSON text without the white space between its tokens.
pub(super) fn compact(json: &str, out: &mut Vec<u8>) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            let end = string_end(bytes, at + 1);
            out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
            at = end;
            continue;
        }
        if !byte.is_ascii_whitespace() {
            out.push(byte);
        }
        at += 1;
    }
}

/// Behind the quote that ends a string.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(offset) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += offset;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoed(body: &str) -> serde_json::Value {
        let mut out = b"{".to_vec();
        out.extend(of(Value::parse(body.as_bytes()).unwrap()));
        out.push(b'}');
        assert!(!out.contains(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn what_the_caller_said_is_repeated_and_the_rest_is_the_default() {
        let body = "{\n \"tools\": [\n {\"type\": \"function\", \"name\": \"a \\\" \\\\\"}\n ],\n \"top_p\": 0.25, \
                    \"user\": null, \"store\": true, \"metadata\": {\"k\": \"v\"}, \"text\": {\"verbosity\":\"low\"}}";
        let echo = echoed(body);
        assert_eq!(echo["tools"], serde_json::json!([{"type": "function", "name": "a \" \\"}]));
        assert_eq!(echo["top_p"], 0.25);
        assert_eq!(echo["temperature"], 1.0);
        assert_eq!(echo["store"], false);
        assert_eq!(echo["metadata"]["k"], "v");
        assert_eq!(echo["text"], serde_json::json!({"format": {"type": "text"}, "verbosity": "low"}));
        assert!(echo["user"].is_null());
    }

    #[test]
    fn white_space_goes_only_between_tokens() {
        let mut out = Vec::new();
        compact("{ \"a b\" : [ 1 ,\r\n\"\\\\\" , \"x\\\"y z\" ] }", &mut out);
        assert_eq!(out, br#"{"a b":[1,"\\","x\"y z"]}"#);
    }
}
