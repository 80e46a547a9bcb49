//! `/v1/completions`, the old text endpoint, whole and streamed.

use serde_json::Value;

use super::super::answer::{Finish, answer};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, array, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::prompt::{Prompt, strings};
use super::super::template::{CREATED, ID};
use super::chat::event;
use super::model;

pub(crate) fn plan(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    let chunks = profile.chunks;
    let mut prompt = Prompt::new(profile, &incoming.body);
    prompt.reasoning = false;
    for text in strings(body.get("prompt")) {
        prompt.user_text(&text);
    }
    // The endpoint's own default.
    prompt.max_output_tokens = Some(body.get("max_tokens").and_then(Value::as_u64).unwrap_or(16));
    prompt.stop = strings(body.get("stop"));
    let answer = answer(&prompt);
    let usage = answer.usage;
    let finish = if answer.finish == Finish::Length { "length" } else { "stop" };
    let usage_json = object! {
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt() + usage.output,
    };
    let choice =
        |text: &str, finish: Json| object! { "text": text, "index": 0, "logprobs": NULL, "finish_reason": finish };
    let envelope = |choices: Json| {
        object! {
            "id": format!("cmpl-{ID}"), "object": "text_completion", "created": CREATED, "model": name, "choices": choices,
        }
    };
    if body.get("stream").and_then(Value::as_bool) != Some(true) {
        let body = envelope(array![choice(&answer.text, finish.into())]).with("usage", usage_json);
        return Ok(Draft::json(Protocol::OpenAi, &body).costing(usage, name));
    }
    let include_usage = body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
    let pieces = answer.text_pieces(chunks);
    let last = pieces.len() - 1;
    let mut events = Vec::with_capacity(pieces.len() + 2);
    for (index, piece) in pieces.iter().enumerate() {
        let finish = if index == last { Json::from(finish) } else { NULL };
        let body = envelope(array![choice(&piece.text, finish)]).with_if(include_usage, "usage", || NULL);
        events.push(event(&body, piece.generated, true));
    }
    if include_usage {
        events.push(event(&envelope(array![]).with("usage", usage_json), usage.generated(), false));
    }
    events.push(Chunk::new(&b"data: [DONE]\n\n"[..], usage.generated(), false));
    Ok(Draft::stream(Protocol::OpenAi, "text/event-stream; charset=utf-8", events).costing(usage, name))
}
