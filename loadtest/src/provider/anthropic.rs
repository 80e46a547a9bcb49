//! Anthropic's paths.

use std::sync::Arc;

use serde_json::Value;

use super::error::ApiError;
use super::exchange::Context;
use super::incoming::Incoming;
use super::plan::{Draft, Plan, Protocol};

mod batches;
mod input;
mod members;
mod messages;
mod models;
mod thinking;

type Planned = Result<Draft, ApiError>;

pub(crate) fn respond(context: &Context, incoming: &Incoming) -> Arc<Plan> {
    let (method, path) = (incoming.method(), incoming.path());
    let fresh = |planned: Planned| Arc::new(planned.unwrap_or_else(|error| error.draft(Protocol::Anthropic)).plan());
    if incoming.header("anthropic-version").is_none() {
        return fresh(Err(ApiError::new(400, "anthropic-version: header is required")));
    }
    if let Some(rest) = path.strip_prefix("/v1/messages/batches") {
        return fresh(batches::plan(context, incoming, rest));
    }
    if let Some(rest) = path.strip_prefix("/v1/models")
        && method == "GET"
    {
        return fresh(models::plan(rest));
    }
    if method != "POST" {
        return fresh(Err(ApiError::new(405, "Method Not Allowed")));
    }
    context.planned(Protocol::Anthropic, incoming, || {
        let body = object(incoming)?;
        match path {
            "/v1/messages" => messages::plan(context, &body, &incoming.body),
            "/v1/messages/count_tokens" => messages::count(context, &body, &incoming.body),
            _ => Err(ApiError::new(404, "Not Found")),
        }
    })
}

/// The body as a JSON object.
fn object(incoming: &Incoming) -> Result<Value, ApiError> {
    match serde_json::from_slice(&incoming.body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::new(400, "Input should be a valid dictionary")),
        Err(error) => Err(ApiError::new(400, format!("The request body is not valid JSON: {error}"))),
    }
}
