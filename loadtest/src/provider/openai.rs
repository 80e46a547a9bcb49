//! `OpenAI`'s paths. Compatible providers have the same shapes.

use std::sync::Arc;

use serde_json::Value;

use super::error::ApiError;
use super::exchange::Context;
use super::incoming::Incoming;
use super::plan::{Draft, Plan, Protocol};
use super::profile::Profile;

mod audio;
mod batches;
mod chat;
mod completions;
mod embeddings;
mod files;
mod images;
mod models;
mod moderations;
mod picture;
mod responses;
mod rules;
pub(crate) mod stored;
mod strict_schema;
mod unknown;

pub(crate) use embeddings::vector;

type Planned = Result<Draft, ApiError>;

pub(crate) fn respond(context: &Context, incoming: &Incoming) -> Arc<Plan> {
    let (method, path) = (incoming.method(), incoming.path());
    let fresh = |planned: Planned| Arc::new(planned.unwrap_or_else(|error| error.draft(Protocol::OpenAi)).plan());
    if let Some(rest) = path.strip_prefix("/v1/files") {
        return fresh(files::plan(context, incoming, rest));
    }
    if let Some(rest) = path.strip_prefix("/v1/batches") {
        return fresh(batches::plan(context, incoming, rest));
    }
    if let Some(id) = path.strip_prefix("/v1/responses/").filter(|rest| *rest != "input_tokens") {
        return fresh(responses::stored(context, method, id));
    }
    if let Some(rest) = path.strip_prefix("/v1/models")
        && method == "GET"
    {
        return fresh(models::plan(rest));
    }
    if method != "POST" {
        return fresh(Err(ApiError::new(405, format!("Not allowed to {method} on {path}."))));
    }
    context.planned(Protocol::OpenAi, incoming, || generate(context, incoming, path))
}

fn generate(context: &Context, incoming: &Incoming, path: &str) -> Planned {
    match path {
        "/v1/chat/completions" => chat::plan(context, incoming, &object(incoming)?),
        "/v1/responses" => responses::plan(context, incoming, &object(incoming)?),
        "/v1/responses/input_tokens" => responses::count(context, incoming, &object(incoming)?),
        "/v1/completions" => completions::plan(context, incoming, &object(incoming)?),
        "/v1/embeddings" => embeddings::plan(context, incoming, &object(incoming)?),
        "/v1/moderations" => moderations::plan(&object(incoming)?),
        "/v1/images/generations" => images::generations(context, incoming, &object(incoming)?),
        "/v1/images/edits" | "/v1/images/variations" => images::edits(context, incoming),
        "/v1/audio/speech" => audio::speech(context, &object(incoming)?),
        "/v1/audio/transcriptions" | "/v1/audio/translations" => audio::transcriptions(context, incoming),
        _ => Err(ApiError::new(404, format!("Invalid URL (POST {path})"))),
    }
}

/// The body as a JSON object.
fn object(incoming: &Incoming) -> Result<Value, ApiError> {
    match serde_json::from_slice(&incoming.body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::new(400, "Invalid type for request body: expected an object.")),
        Err(_) => Err(ApiError::new(
            400,
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.",
        )),
    }
}

/// The model and what its name asks for.
fn model<'a>(context: &Context, body: &'a Value) -> Result<(&'a str, Profile), ApiError> {
    let name = body
        .get("model")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::new(400, "you must provide a model parameter"))?;
    known(context, name).map(|profile| (name, profile))
}

fn known(context: &Context, name: &str) -> Result<Profile, ApiError> {
    let profile = context.profile(name);
    if profile.unknown { Err(ApiError::model_not_found(Protocol::OpenAi, name)) } else { Ok(profile) }
}

/// `temperature` and its kind have bounds.
fn within(body: &Value, name: &str, low: f64, high: f64) -> Result<(), ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => {
            match value.as_f64() {
                Some(number) if (low..=high).contains(&number) => Ok(()),
                Some(number) => Err(ApiError::invalid(
                    name,
                    format!("Invalid '{name}': {number} is out of range. Expected a value between {low} and {high}."),
                )),
                None => Err(ApiError::invalid(name, format!("Invalid type for '{name}': expected a decimal."))
                    .code("invalid_type")),
            }
        }
    }
}

/// Models that think sample in one way alone, unless they are told not to think.
fn only_default(model: &str, body: &Value, responses_api: bool) -> Result<(), ApiError> {
    let effort = if responses_api { "/reasoning/effort" } else { "/reasoning_effort" };
    if !thinks(model) || body.pointer(effort).and_then(Value::as_str) == Some("none") {
        return Ok(());
    }
    for name in ["temperature", "top_p"] {
        let Some(value) = body.get(name).and_then(Value::as_f64) else { continue };
        if (value - 1.0).abs() > f64::EPSILON && responses_api {
            let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
            return Err(ApiError::invalid(name, message));
        }
        if (value - 1.0).abs() > f64::EPSILON {
            let message = format!(
                "Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is supported."
            );
            return Err(ApiError::invalid(name, message).code("unsupported_value"));
        }
    }
    Ok(())
}

fn thinks(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| model.starts_with(family)) && !model.contains("chat-latest")
}

/// Models that think refuse the parameters of those that do not.
fn unsupported(model: &str, body: &Value, name: &'static str, instead: &str) -> Result<(), ApiError> {
    if !thinks(model) || body.get(name).is_none_or(Value::is_null) {
        return Ok(());
    }
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.{instead}");
    Err(ApiError::invalid(name, message).code("unsupported_parameter"))
}
