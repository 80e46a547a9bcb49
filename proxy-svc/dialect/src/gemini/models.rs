//! Gemini's list of models, with its pages.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::error::to_json;
use crate::models::{self, InvalidParameter};

const USUAL_PAGE: usize = 50;
/// More is not refused: the page is no longer than this.
const LARGEST_PAGE: usize = 1000;
const GENERATES: &[&str] = &["generateContent", "streamGenerateContent", "countTokens"];
const EMBEDS: &[&str] = &["embedContent", "batchEmbedContents", "countTokens"];

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    models: Vec<Model<'a>>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    name: Cow<'a, str>,
    base_model_id: &'a str,
    version: &'static str,
    display_name: &'a str,
    supported_generation_methods: &'static [&'static str],
}

pub(super) fn list(names: &[&str], query: &str) -> Result<Vec<u8>, InvalidParameter> {
    let size = match models::number(query, "pageSize")?.unwrap_or_default() {
        0 => USUAL_PAGE,
        size => size.min(LARGEST_PAGE),
    };
    let rest = match models::text(query, "pageToken") {
        Some(token) => models::after(names, &last_name(&token)?),
        None => names,
    };
    let page = &rest[..size.min(rest.len())];
    let last = page.last().filter(|_| rest.len() > page.len());
    let next_page_token = last.map(|name| BASE64.encode(name));
    Ok(to_json(&Page { models: page.iter().map(|name| model(name)).collect(), next_page_token }))
}

pub(super) fn one(name: &str) -> Vec<u8> {
    to_json(&model(name))
}

/// The name with which the page before ended.
fn last_name(token: &str) -> Result<String, InvalidParameter> {
    let decoded = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or(InvalidParameter { name: "pageToken", what: "is not one that was given out" })
}

fn model(name: &str) -> Model<'_> {
    // A tuned model's name has its own collection in it.
    let resource = if name.starts_with("tunedModels/") { Cow::Borrowed(name) } else { format!("models/{name}").into() };
    // All that tells an embedding model is its name.
    let supported_generation_methods = if name.contains("embed") { EMBEDS } else { GENERATES };
    Model { name: resource, base_model_id: name, version: "unknown", display_name: name, supported_generation_methods }
}
