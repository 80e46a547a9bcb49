//! `logprobsResult` ↔ OpenAI's shape, in which the canonical form holds log probabilities.

use crate::canonical::Text;
use crate::json::Value;
use crate::json::write::{Array, Object};

/// As `{"content": […], "refusal": null}`; `None` when there is none.
pub(super) fn read(result: Value<'_>) -> Option<String> {
    let chosen = result.get("chosenCandidates")?;
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    let mut content = object.array("content");
    let mut tops = result.get("topCandidates").into_iter().flat_map(Value::elements);
    for candidate in chosen.elements() {
        let mut token = content.object();
        read_token(candidate, &mut token);
        let mut list = token.array("top_logprobs");
        for candidate in tops.next().and_then(|top| top.get("candidates")).into_iter().flat_map(Value::elements) {
            read_token(candidate, &mut list.object());
        }
    }
    drop(content);
    object.null("refusal");
    drop(object);
    String::from_utf8(out).ok()
}

fn read_token(candidate: Value<'_>, token: &mut Object<'_>) {
    let text = candidate.get("token").and_then(Value::text).unwrap_or(Text::EMPTY);
    token.text("token", &text);
    match candidate.get("logProbability").filter(|value| value.number().is_some()) {
        Some(number) => token.value("logprob", number),
        // Protocol buffers leave a zero out.
        None => token.count("logprob", 0),
    };
    let mut bytes = token.array("bytes");
    for byte in text.decode().bytes() {
        bytes.count(u64::from(byte));
    }
}

/// Writes OpenAI's shape as `logprobsResult`.
pub(super) fn write(candidate: &mut Object<'_>, json: &str) {
    let Ok(value) = Value::parse(json.as_bytes()) else { return };
    let Some(content) = value.get("content") else { return };
    let mut result = candidate.object("logprobsResult");
    {
        let mut chosen = result.array("chosenCandidates");
        content.elements().for_each(|token| write_token(token, &mut chosen));
    }
    let mut tops = result.array("topCandidates");
    for token in content.elements() {
        let mut top = tops.object();
        let mut candidates = top.array("candidates");
        let alternatives = token.get("top_logprobs").into_iter().flat_map(Value::elements);
        alternatives.for_each(|token| write_token(token, &mut candidates));
    }
}

fn write_token(token: Value<'_>, list: &mut Array<'_>) {
    let mut candidate = list.object();
    if let Some(text) = token.get("token").and_then(Value::text) {
        candidate.text("token", &text);
    }
    if let Some(number) = token.get("logprob").filter(|value| value.number().is_some()) {
        candidate.value("logProbability", number);
    }
}
