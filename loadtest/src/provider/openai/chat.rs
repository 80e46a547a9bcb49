//! `/v1/chat/completions`, whole and streamed.

use serde_json::Value;

use super::super::answer::{Finish, answer};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::prompt::strings;
use super::super::usage::{Generated, Usage};
use super::{model, only_default, unsupported, within};

mod input;
mod members;
mod shape;
mod stream;

use shape::Shape;

pub(crate) fn plan(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    if profile.strict {
        members::refuse_unknown(body, profile.reasoning_content)?;
    }
    unsupported(name, body, "max_tokens", " Use 'max_completion_tokens' instead.")?;
    only_default(name, body, false)?;
    if !name.starts_with("o1") {
        unsupported(name, body, "stop", "")?;
    }
    within(body, "temperature", 0.0, 2.0)?;
    within(body, "top_p", 0.0, 1.0)?;
    let prompt = input::prompt(context, body, profile, &incoming.body)?;
    if prompt.profile.blocked {
        return Err(ApiError::content_policy(Protocol::OpenAi));
    }
    let answer = answer(&prompt);
    let mut usage = answer.usage_of(prompt.choices);
    let speech = body.get("audio").filter(|_| strings(body.get("modalities")).iter().any(|kind| kind == "audio"));
    if speech.is_some() {
        usage.audio_output = usage.output - usage.reasoning;
    }
    let shape = Shape { model: name, prompt: &prompt, answer: &answer, usage };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        let include_usage = body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
        shape.stream(include_usage)
    } else {
        shape.whole(speech.is_some())
    };
    Ok(draft.costing(usage, name))
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

/// Usage as chat completions tell it: the prompt includes what was cached, the completion what was thought.
pub(super) fn usage_json(usage: &Usage) -> Json {
    object! {
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt() + usage.output,
        "prompt_tokens_details": object! {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": object! {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
}

/// One `data:` event.
pub(super) fn event(body: &Json, generated: Generated, paced: bool) -> Chunk {
    let mut text = b"data: ".to_vec();
    text.extend(body.to_bytes());
    text.extend_from_slice(b"\n\n");
    Chunk::new(text, generated, paced)
}
