//! What a message says: text, or parts of the kinds that its role may use.

use serde_json::Value;

use super::super::super::super::error::ApiError;
use super::super::super::super::exchange::Context;
use super::super::super::super::prompt::Prompt;
use super::super::super::rules::{invalid_type, missing, unknown_word};
use super::super::super::{picture, stored};

pub(super) fn read(
    context: &Context,
    prompt: &mut Prompt,
    message: &Value,
    role: &str,
    at: &str,
) -> Result<(), ApiError> {
    let at = format!("{at}.content");
    let by_user = role == "user";
    let kinds: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    match message.get("content") {
        Some(Value::String(text)) => say(prompt, text, by_user),
        Some(Value::Array(parts)) if parts.is_empty() && role != "assistant" => {
            let message = format!(
                "Invalid '{at}': empty array. Expected an array with minimum length 1, but got an empty array instead."
            );
            return Err(ApiError::invalid(at, message).code("empty_array"));
        }
        Some(Value::Array(parts)) => {
            for (index, part) in parts.iter().enumerate() {
                let at = format!("{at}[{index}]");
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                if !kinds.contains(&kind) {
                    return Err(unknown_word(kind, &at, kinds));
                }
                read_part(context, prompt, part, kind, by_user, &at)?;
            }
        }
        None | Some(Value::Null) if matches!(role, "assistant" | "function") => {}
        _ => return Err(invalid_type(&at, "one of a string or array of objects")),
    }
    Ok(())
}

fn say(prompt: &mut Prompt, text: &str, by_user: bool) {
    if by_user { prompt.user_text(text) } else { prompt.text(text) }
}

fn read_part(
    context: &Context,
    prompt: &mut Prompt,
    part: &Value,
    kind: &str,
    by_user: bool,
    at: &str,
) -> Result<(), ApiError> {
    match kind {
        "image_url" => {
            let at = format!("{at}.image_url.url");
            let url = part.pointer("/image_url/url").and_then(Value::as_str).ok_or_else(|| missing(&at))?;
            picture::check(url, &at)?;
            prompt.images += 1;
        }
        "input_audio" => {
            part.pointer("/input_audio/data").ok_or_else(|| missing(&format!("{at}.input_audio.data")))?;
            prompt.audios += 1;
        }
        "file" => {
            stored::check_file(context, part.pointer("/file/file_id"))?;
            prompt.images += 1;
        }
        field => {
            let text = part.get(field).and_then(Value::as_str).ok_or_else(|| missing(&format!("{at}.{field}")))?;
            say(prompt, text, by_user);
        }
    }
    Ok(())
}
