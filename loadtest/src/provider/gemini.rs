//! Gemini's paths (Developer API), under `/v1beta` and `/v1`.

use std::sync::Arc;

use serde_json::Value;

use super::error::ApiError;
use super::exchange::Context;
use super::incoming::Incoming;
use super::plan::{Draft, Plan, Protocol};

mod embed;
mod generate;
mod input;
mod members;
mod models;
mod thought;

pub(crate) fn respond(context: &Context, incoming: &Incoming) -> Arc<Plan> {
    let (method, path) = (incoming.method(), incoming.path());
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/")).unwrap_or(path);
    let fresh = |planned: Result<Draft, ApiError>| {
        Arc::new(planned.unwrap_or_else(|error| error.draft(Protocol::Gemini)).plan())
    };
    let not_found = || ApiError::new(404, "Requested entity was not found.");
    let Some(rest) = rest.strip_prefix("models") else { return fresh(Err(not_found())) };
    if method == "GET" {
        return fresh(models::plan(rest));
    }
    let Some((_, verb)) = rest.rsplit_once(':').filter(|_| method == "POST") else { return fresh(Err(not_found())) };
    let verb = verb.to_owned();
    context.planned(Protocol::Gemini, incoming, || {
        let model = model_in(path).unwrap_or_default();
        let profile = context.profile(model);
        if profile.unknown {
            return Err(ApiError::model_not_found(Protocol::Gemini, model));
        }
        let body = object(incoming)?;
        match verb.as_str() {
            "generateContent" => Ok(generate::whole(model, &input::prompt(model, profile, &body, &incoming.body)?)),
            "streamGenerateContent" => {
                let sse = incoming.parameter("alt") == Some("sse");
                Ok(generate::stream(model, &input::prompt(model, profile, &body, &incoming.body)?, sse))
            }
            "countTokens" => {
                let inner = body.get("generateContentRequest").unwrap_or(&body);
                Ok(generate::count(model, &input::prompt(model, profile, inner, &incoming.body)?))
            }
            "embedContent" => embed::one(model, profile.strict, &body),
            "batchEmbedContents" => embed::many(model, profile.strict, &body),
            _ => Err(not_found()),
        }
    })
}

/// The model in a path; the verb behind the colon does not belong to it.
pub(crate) fn model_in(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("/models/")?;
    Some(rest.rsplit_once(':').map_or(rest, |(model, _)| model))
}

fn object(incoming: &Incoming) -> Result<Value, ApiError> {
    match serde_json::from_slice(&incoming.body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(ApiError::new(400, "Invalid JSON payload received. Unexpected token.")),
    }
}
