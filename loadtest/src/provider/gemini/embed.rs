//! `embedContent` and `batchEmbedContents`. Neither tells a usage.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::json::{Json, object};
use super::super::openai::vector;
use super::super::plan::{Draft, Protocol};
use super::super::usage::Usage;
use super::input::field;
use super::members;

const DEFAULT_DIMENSIONS: u64 = 16;
const MAX_DIMENSIONS: u64 = 3072;

fn values(request: &Value, strict: bool) -> Result<Json, ApiError> {
    if strict {
        members::refuse_unknown_embedding(request)?;
    }
    let content = request.get("content").and_then(|content| content.get("parts"));
    let content =
        content.ok_or_else(|| ApiError::new(400, "* EmbedContentRequest.content: contents is not specified\n"))?;
    let wanted = field(request, "outputDimensionality")
        .or_else(|| field(field(request, "embedContentConfig")?, "outputDimensionality"))
        .and_then(Value::as_u64);
    let dimensions = wanted.unwrap_or(DEFAULT_DIMENSIONS).clamp(1, MAX_DIMENSIONS);
    let numbers = vector(&content.to_string(), dimensions);
    Ok(object! { "values": numbers.iter().map(|number| Json::from(f64::from(*number))).collect::<Vec<_>>() })
}

pub(super) fn one(model: &str, strict: bool, body: &Value) -> Result<Draft, ApiError> {
    let body = object! { "embedding": values(body, strict)? };
    Ok(Draft::json(Protocol::Gemini, &body).costing(Usage::default(), model))
}

pub(super) fn many(model: &str, strict: bool, body: &Value) -> Result<Draft, ApiError> {
    let requests = body.get("requests").and_then(Value::as_array).filter(|requests| !requests.is_empty());
    let requests =
        requests.ok_or_else(|| ApiError::new(400, "* BatchEmbedContentsRequest.requests: must not be empty\n"))?;
    let named = |request: &&Value| {
        let name = request.get("model").and_then(Value::as_str);
        name.is_some_and(|name| name.strip_prefix("models/").unwrap_or(name) == model)
    };
    if let Some(index) = requests.iter().position(|request| strict && !named(&request)) {
        return Err(ApiError::new(
            400,
            format!(
                "* BatchEmbedContentsRequest.requests[{index}].model: must be the model of the request: models/{model}\n"
            ),
        ));
    }
    let embeddings = requests.iter().map(|request| values(request, strict)).collect::<Result<Vec<_>, _>>()?;
    let body = object! { "embeddings": embeddings };
    Ok(Draft::json(Protocol::Gemini, &body).costing(Usage::default(), model))
}
