//! `/v1/embeddings`, as numbers or as base64 of little-endian floats.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::answer::tokens_of;
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, object};
use super::super::plan::{Draft, Protocol};
use super::super::usage::Usage;
use super::model;

const DEFAULT_DIMENSIONS: u64 = 16;
const MAX_DIMENSIONS: u64 = 4096;

pub(crate) fn plan(context: &Context, _incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, _) = model(context, body)?;
    let inputs: Vec<String> = match body.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        // A list of token numbers is one input.
        Some(Value::Array(items)) if items.first().is_some_and(Value::is_number) => vec!["t".repeat(items.len() * 4)],
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(ToString::to_string).collect(),
        _ => return Err(ApiError::invalid("input", "'$.input' is invalid. Please check the API reference.")),
    };
    let dimensions =
        body.get("dimensions").and_then(Value::as_u64).unwrap_or(DEFAULT_DIMENSIONS).clamp(1, MAX_DIMENSIONS);
    let base64 = body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Json> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if base64 {
                Json::from(STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()))
            } else {
                vector.iter().map(|number| Json::from(f64::from(*number))).collect::<Vec<_>>().into()
            };
            object! { "object": "embedding", "index": index, "embedding": embedding }
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|text| tokens_of(text.len()).max(1)).sum();
    let body = object! {
        "object": "list",
        "data": data,
        "model": name,
        "usage": object! { "prompt_tokens": tokens, "total_tokens": tokens },
    };
    let usage = Usage { input_uncached: tokens, ..Usage::default() };
    Ok(Draft::json(Protocol::OpenAi, &body).costing(usage, name))
}

/// Numbers between −1 and 1 that depend on the text alone.
pub(crate) fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let seed = text.bytes().fold(17_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = fastrand::Rng::with_seed(seed);
    (0..dimensions).map(|_| random.f32() * 2.0 - 1.0).collect()
}
