//! `/v1/images/*`: generations take JSON, edits and variations a form.

use serde_json::Value;

use super::super::answer::tokens_of;
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, object};
use super::super::multipart::Form;
use super::super::plan::{Draft, Protocol};
use super::super::template::{CREATED, ID};
use super::super::usage::Usage;
use super::{known, model};

/// The smallest PNG: one grey pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";
const TOKENS_PER_INPUT_IMAGE: u64 = 272;
const TOKENS_PER_OUTPUT_IMAGE: u64 = 1056;
const MAX_IMAGES: u64 = 10;

pub(crate) fn generations(context: &Context, _incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, _) = model(context, body)?;
    let prompt = body
        .get("prompt")
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::invalid("prompt", "Missing required parameter: 'prompt'."))?;
    let count = body.get("n").and_then(Value::as_u64).unwrap_or(1);
    let url = body.get("response_format").and_then(Value::as_str) == Some("url");
    Ok(images(name, prompt, count, 0, url))
}

pub(crate) fn edits(context: &Context, incoming: &Incoming) -> Result<Draft, ApiError> {
    let form = Form::of(incoming).ok_or_else(|| ApiError::new(400, "Could not parse multipart form"))?;
    let name = form.text("model").unwrap_or_else(|| "dall-e-2".to_owned());
    known(context, &name)?;
    let inputs = form.count("image") as u64;
    if inputs == 0 {
        return Err(ApiError::invalid("image", "Missing required parameter: 'image'."));
    }
    let prompt = form.text("prompt").unwrap_or_default();
    let count = form.text("n").and_then(|count| count.parse().ok()).unwrap_or(1);
    Ok(images(&name, &prompt, count, inputs, form.text("response_format").as_deref() == Some("url")))
}

fn images(model: &str, prompt: &str, count: u64, inputs: u64, url: bool) -> Draft {
    let count = count.clamp(1, MAX_IMAGES);
    let data: Vec<Json> = (0..count)
        .map(|index| {
            if url {
                object! { "url": format!("https://images.example.invalid/{ID}-{index}.png"), "revised_prompt": prompt }
            } else {
                object! { "b64_json": PIXEL }
            }
        })
        .collect();
    let (text_tokens, image_tokens) = (tokens_of(prompt.len()), inputs * TOKENS_PER_INPUT_IMAGE);
    let usage = Usage {
        input_uncached: text_tokens + image_tokens,
        output: count * TOKENS_PER_OUTPUT_IMAGE,
        image_input: image_tokens,
        ..Usage::default()
    };
    // The older models tell no usage.
    let told = if model.starts_with("dall-e") { NULL } else { usage_json(&usage, text_tokens) };
    let body = object! { "created": CREATED, "background": "opaque", "data": data, "output_format": "png", "quality": "medium", "size": "1024x1024" }
        .with_if(!matches!(told, Json::Value(_)), "usage", || told);
    let usage = if model.starts_with("dall-e") { Usage::default() } else { usage };
    Draft::json(Protocol::OpenAi, &body).costing(usage, model)
}

fn usage_json(usage: &Usage, text_tokens: u64) -> Json {
    object! {
        "input_tokens": usage.input_uncached,
        "input_tokens_details": object! { "image_tokens": usage.image_input, "text_tokens": text_tokens },
        "output_tokens": usage.output,
        "total_tokens": usage.input_uncached + usage.output,
    }
}
