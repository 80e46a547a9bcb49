//! `/v1/moderations`. What says `flag me` is flagged.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::json::{Json, array, object};
use super::super::plan::{Draft, Protocol};
use super::super::template::ID;
use super::super::usage::Usage;

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

pub(crate) fn plan(body: &Value) -> Result<Draft, ApiError> {
    let inputs: Vec<String> = match body.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        // Parts of one multi-modal input.
        Some(Value::Array(items)) if items.first().is_some_and(Value::is_object) => {
            vec![Value::Array(items.clone()).to_string()]
        }
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(ToString::to_string).collect(),
        _ => return Err(ApiError::invalid("input", "Missing required parameter: 'input'.")),
    };
    let model = body.get("model").and_then(Value::as_str).unwrap_or("omni-moderation-latest");
    let results: Vec<Json> = inputs.iter().map(|text| result(text.contains("flag me"))).collect();
    let body = object! { "id": format!("modr-{ID}"), "model": model, "results": results };
    Ok(Draft::json(Protocol::OpenAi, &body).costing(Usage::default(), model))
}

fn result(flagged: bool) -> Json {
    let each = |value: &dyn Fn(bool) -> Json| {
        CATEGORIES.iter().fold(object! {}, |fields, name| fields.with(name, value(flagged && *name == "violence")))
    };
    object! {
        "flagged": flagged,
        "categories": each(&|hit| hit.into()),
        "category_scores": each(&|hit| (if hit { 0.97 } else { 0.0001 }).into()),
        "category_applied_input_types": each(&|_| array!["text"]),
    }
}
