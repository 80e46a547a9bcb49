//! `models` and `models/{id}`.

use super::super::error::ApiError;
use super::super::json::{Json, array, object};
use super::super::plan::{Draft, Protocol};

const MODELS: [&str; 4] = ["gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001"];

fn entry(name: &str) -> Json {
    let methods = if name.contains("embedding") {
        array!["embedContent", "countTokens"]
    } else {
        array!["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
    };
    object! {
        "name": format!("models/{name}"),
        "version": "001",
        "displayName": name,
        "description": "A simulated model",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
        "temperature": 1.0,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2.0,
    }
}

/// `rest` is what follows `models`.
pub(crate) fn plan(rest: &str) -> Result<Draft, ApiError> {
    match rest.strip_prefix('/') {
        None | Some("") => {
            let list: Vec<Json> = MODELS.iter().map(|name| entry(name)).collect();
            Ok(Draft::json(Protocol::Gemini, &object! { "models": list }))
        }
        Some(name) if name.contains("unknown") || name.contains("no-such-model") => {
            Err(ApiError::model_not_found(Protocol::Gemini, name))
        }
        Some(name) => Ok(Draft::json(Protocol::Gemini, &entry(name))),
    }
}
