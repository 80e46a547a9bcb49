//! `/v1/models`, as callers with Anthropic's headers get it.

use super::super::error::ApiError;
use super::super::json::{Json, NULL, object};
use super::super::plan::{Draft, Protocol};

const MODELS: [(&str, &str); 4] = [
    ("claude-opus-5", "Claude Opus 5"),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
    ("claude-3-5-haiku-20241022", "Claude Haiku 3.5"),
];

fn entry(id: &str, name: &str) -> Json {
    object! {
        "type": "model", "id": id, "display_name": name, "created_at": "2025-09-29T00:00:00Z", "lifecycle": "active",
        "max_input_tokens": 200_000, "max_tokens": 64_000, "capabilities": NULL,
    }
}

/// `rest` is what follows `/v1/models`.
pub(crate) fn plan(rest: &str) -> Result<Draft, ApiError> {
    match rest.strip_prefix('/') {
        None | Some("") => {
            let list: Vec<Json> = MODELS.iter().map(|(id, name)| entry(id, name)).collect();
            let body = object! {
                "data": list, "has_more": false, "first_id": MODELS[0].0, "last_id": MODELS[MODELS.len() - 1].0,
            };
            Ok(Draft::json(Protocol::Anthropic, &body))
        }
        Some(id) if id.contains("unknown") || id.contains("no-such-model") => {
            Err(ApiError::model_not_found(Protocol::Anthropic, id))
        }
        Some(id) => Ok(Draft::json(Protocol::Anthropic, &entry(id, id))),
    }
}
