//! `/v1/responses`, whole and streamed.

use serde_json::Value;

use super::super::answer::answer;
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::object;
use super::super::plan::{Draft, Protocol};
use super::super::usage::Usage;
use super::rules::at_least;
use super::{model, only_default, stored, unknown, within};

mod input;
mod members;
mod reasoning;
mod shape;
mod stream;

use shape::Shape;

const MIN_OUTPUT_TOKENS: u64 = 16;

pub(crate) fn plan(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    if profile.strict {
        unknown::refuse(members::REQUEST, body, false)?;
    }
    within(body, "temperature", 0.0, 2.0)?;
    within(body, "top_p", 0.0, 1.0)?;
    only_default(name, body, true)?;
    at_least(body, "max_output_tokens", MIN_OUTPUT_TOKENS)?;
    previous(context, body)?;
    let prompt = input::prompt(context, body, profile, &incoming.body)?;
    if prompt.profile.blocked {
        return Err(ApiError::content_policy(Protocol::OpenAi));
    }
    let answer = answer(&prompt);
    let shape = Shape { model: name, request: body, answer: &answer, prompt: &prompt };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        shape.stream()
    } else {
        Draft::json(Protocol::OpenAi, &shape.response("completed", &shape.output(), true))
    };
    Ok(draft.costing(answer.usage, name))
}

fn previous(context: &Context, body: &Value) -> Result<(), ApiError> {
    let Some(id) = body.get("previous_response_id").and_then(Value::as_str) else { return Ok(()) };
    stored::check_owner(context, id, "resp_").map_err(|()| {
        ApiError::invalid("previous_response_id", format!("Previous response with id '{id}' not found."))
            .code("previous_response_not_found")
    })
}

/// `/v1/responses/input_tokens`: what a request would have the model read.
pub(crate) fn count(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    if profile.strict {
        unknown::refuse(members::REQUEST, body, false)?;
    }
    previous(context, body)?;
    let prompt = input::prompt(context, body, profile, &incoming.body)?;
    let body = object! { "object": "response.input_tokens", "input_tokens": answer(&prompt).usage.prompt() };
    // Counting generates nothing and costs nothing.
    Ok(Draft::json(Protocol::OpenAi, &body).costing(Usage::default(), name))
}

/// Looking at, or deleting, a response of earlier.
pub(crate) fn stored(context: &Context, method: &str, id: &str) -> Result<Draft, ApiError> {
    let shelf = &context.shared.stored;
    let missing = || ApiError::new(404, format!("Response with id '{id}' not found."));
    match method {
        "GET" => {
            let body = shelf.response(context, id).ok_or_else(missing)?;
            Ok(Draft::bytes(Protocol::OpenAi, "application/json", body))
        }
        "DELETE" => {
            shelf.remove_response(context, id).ok_or_else(missing)?;
            let body = object! { "id": id, "object": "response", "deleted": true };
            Ok(Draft::json(Protocol::OpenAi, &body))
        }
        _ => Err(ApiError::new(405, format!("Not allowed to {method} on /v1/responses/{id}."))),
    }
}
