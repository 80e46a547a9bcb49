//! `/v1/models` and `/v1/models/{id}`.

use super::super::error::ApiError;
use super::super::json::{Json, object};
use super::super::plan::{Draft, Protocol};

const MODELS: [&str; 12] = [
    "gpt-5.2",
    "gpt-5-mini",
    "gpt-4.1",
    "gpt-4o",
    "gpt-4o-mini",
    "o3-mini",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "whisper-1",
    "omni-moderation-latest",
];

fn entry(name: &str) -> Json {
    object! { "id": name, "object": "model", "created": 1_715_367_049, "owned_by": "system" }
}

/// `rest` is what follows `/v1/models`. Every model may be asked for by name, listed or not.
pub(crate) fn plan(rest: &str) -> Result<Draft, ApiError> {
    match rest.strip_prefix('/') {
        None | Some("") => {
            let list: Vec<Json> = MODELS.iter().map(|name| entry(name)).collect();
            Ok(Draft::json(Protocol::OpenAi, &object! { "object": "list", "data": list }))
        }
        Some(name) if name.contains("unknown") || name.contains("no-such-model") => {
            Err(ApiError::model_not_found(Protocol::OpenAi, name))
        }
        Some(name) => Ok(Draft::json(Protocol::OpenAi, &entry(name))),
    }
}
