//! `/v1/messages`, whole and streamed, and `/v1/messages/count_tokens`.

use serde_json::Value;

use super::super::answer::{Call, Finish, answer};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::json::{Json, NULL, object};
use super::super::plan::{Draft, Protocol};
use super::super::template::ID;
use super::super::usage::{Generated, Usage};
use super::input::prompt;

mod shape;
mod stream;

use shape::Shape;

pub(crate) fn plan(context: &Context, body: &Value, bytes: &[u8]) -> Result<Draft, ApiError> {
    if body.get("max_tokens").and_then(Value::as_u64).is_none_or(|limit| limit == 0) {
        return Err(ApiError::new(400, "max_tokens: Field required"));
    }
    let mut prompt = prompt(context, body, bytes)?;
    if prompt.profile.blocked {
        return Err(ApiError::content_policy(Protocol::Anthropic));
    }
    prompt.refusal = "";
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let answer = answer(&prompt);
    let shown = body.pointer("/thinking/display").and_then(Value::as_str) != Some("omitted");
    let shape = Shape { model, answer: &answer, prompt: &prompt, thinking: if shown { &answer.reasoning } else { "" } };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        shape.stream()
    } else {
        let usage = usage_json(&answer.usage, answer.usage.generated());
        Draft::json(Protocol::Anthropic, &shape.message(shape.content(), Some(&answer.finish), usage))
    };
    Ok(draft.costing(answer.usage, model))
}

pub(crate) fn count(context: &Context, body: &Value, bytes: &[u8]) -> Result<Draft, ApiError> {
    let prompt = prompt(context, body, bytes)?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let body = object! { "input_tokens": answer(&prompt).usage.prompt() };
    // Counting generates nothing and costs nothing.
    Ok(Draft::json(Protocol::Anthropic, &body).costing(Usage::default(), model))
}

fn stop_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Refusal | Finish::Filtered => "refusal",
    }
}

/// Why the model, or a filter behind it, would not go on.
fn stop_details(finish: &Finish) -> Json {
    match finish {
        Finish::Refusal | Finish::Filtered => object! {
            "type": "refusal",
            "category": "cyber",
            "explanation": "This request triggered restrictions and was blocked under the usage policy.",
        },
        _ => NULL,
    }
}

fn stop_sequence(finish: &Finish) -> Json {
    match finish {
        Finish::StopSequence(sequence) => sequence.into(),
        _ => NULL,
    }
}

fn usage_json(usage: &Usage, so_far: Generated) -> Json {
    object! {
        "input_tokens": usage.input_uncached,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": object! {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": so_far.output,
    }
    .with_if(so_far.reasoning > 0, "output_tokens_details", || object! { "thinking_tokens": so_far.reasoning })
    .with("service_tier", "standard")
    .with("inference_geo", "not_available")
}

fn tool_use(index: usize, call: &Call, input: Value) -> Json {
    object! { "type": "tool_use", "id": format!("toolu_{ID}{index}"), "name": &call.name, "input": input }
}
