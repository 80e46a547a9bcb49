//! One content block, as either role may write it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::prompt::{CacheWish, Prompt};
use super::super::thinking;
use super::invalid;
use super::turns::{Role, Turns};

const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const IN_RESULTS: [&str; 6] = ["text", "image", "search_result", "document", "tool_reference", "browser_state"];

/// A text, or a list of blocks.
pub(super) fn read_all(prompt: &mut Prompt, content: &Value, at: &str, turns: &mut Turns) -> Result<(), ApiError> {
    match content {
        Value::String(text) => {
            turns.other();
            if turns.role() == Role::User { prompt.user_text(text) } else { prompt.text(text) }
        }
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                cache(prompt, one);
                read(prompt, one, &format!("{at}.{index}"), turns)?;
            }
        }
        _ => return Err(invalid(format!("{at}: Input should be a valid string or list"))),
    }
    Ok(())
}

/// Notes a wish to have everything up to here cached.
pub(super) fn cache(prompt: &mut Prompt, block: &Value) {
    if let Some(control) = block.get("cache_control").filter(|control| control.is_object()) {
        let hour = control.get("ttl").and_then(Value::as_str) == Some("1h");
        let CacheWish { five_minutes, one_hour } = &mut prompt.cache;
        *(if hour { one_hour } else { five_minutes }) = true;
    }
}

fn read(prompt: &mut Prompt, block: &Value, at: &str, turns: &mut Turns) -> Result<(), ApiError> {
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    if kind == "tool_result" {
        turns.result(text("tool_use_id"), at)?;
        prompt.text_bytes += block.get("content").map_or(0, |content| content.to_string().len());
        return result(block, at);
    }
    turns.other();
    let by = turns.role();
    match kind {
        "text" => {
            not_blank(block, at)?;
            if by == Role::User {
                prompt.user_text(text("text"));
            } else {
                prompt.text(text("text"));
            }
            return Ok(());
        }
        "image" | "document" if by == Role::User => return source(prompt, block, kind, at),
        "tool_use" => {
            call(block, at)?;
            turns.call(text("id"), at)?;
        }
        "thinking" | "redacted_thinking" if by != Role::Assistant => {
            return Err(invalid(format!("{at}: `{kind}` blocks can only be in `assistant` messages")));
        }
        "thinking" if !thinking::is_signed(text("thinking"), text("signature")) => {
            return Err(invalid(format!("{at}: Invalid `signature` in `thinking` block")));
        }
        "redacted_thinking" if !thinking::is_redacted(text("data")) => {
            return Err(invalid(format!("{at}: Invalid `data` in `redacted_thinking` block")));
        }
        "thinking" | "redacted_thinking" | "server_tool_use" | "search_result" | "container_upload"
        | "mcp_tool_use" | "mcp_tool_listing" | "compaction" | "tool_addition" | "tool_removal" | "fallback" => {}
        other if other.ends_with("_tool_result") => return Ok(()),
        other => {
            return Err(invalid(format!(
                "{at}: Input tag '{other}' found using 'type' does not match any of the expected tags"
            )));
        }
    }
    prompt.text_bytes += block.to_string().len();
    Ok(())
}

fn not_blank(block: &Value, at: &str) -> Result<(), ApiError> {
    match block.get("text").and_then(Value::as_str) {
        None => Err(invalid(format!("{at}.text.text: Field required"))),
        Some("") => Err(invalid(format!("{at}: text content blocks must be non-empty"))),
        Some(text) if text.trim().is_empty() => {
            Err(invalid(format!("{at}: text content blocks must contain non-whitespace text")))
        }
        Some(_) => Ok(()),
    }
}

fn result(block: &Value, at: &str) -> Result<(), ApiError> {
    let at = format!("{at}.tool_result");
    if block.get("is_error").is_some_and(|error| !error.is_boolean() && !error.is_null()) {
        return Err(invalid(format!("{at}.is_error: Input should be a valid boolean")));
    }
    match block.get("content") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(Value::Array(blocks)) => blocks.iter().enumerate().try_for_each(|(index, one)| {
            let at = format!("{at}.content.{index}");
            let kind = one.get("type").and_then(Value::as_str).unwrap_or_default();
            match kind {
                "text" => not_blank(one, &at),
                "image" | "document" => check_source(one, kind, &at),
                kind if IN_RESULTS.contains(&kind) => Ok(()),
                other => Err(invalid(format!(
                    "{at}: Input tag '{other}' found using 'type' does not match any of the expected tags: '{}'",
                    IN_RESULTS.join("', '")
                ))),
            }
        }),
        Some(_) => Err(invalid(format!("{at}.content: Input should be a valid string or list"))),
    }
}

fn call(block: &Value, at: &str) -> Result<(), ApiError> {
    let at = format!("{at}.tool_use");
    let id = block.get("id").and_then(Value::as_str).unwrap_or_default();
    if id.is_empty() || !id.bytes().all(is_name_byte) {
        return Err(invalid(format!("{at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")));
    }
    let name = block.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_tool_name(name) {
        return Err(invalid(format!("{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")));
    }
    if !block.get("input").is_some_and(Value::is_object) {
        return Err(invalid(format!("{at}.input: Input should be a valid dictionary")));
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

pub(super) fn is_tool_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(is_name_byte)
}

fn source(prompt: &mut Prompt, block: &Value, kind: &str, at: &str) -> Result<(), ApiError> {
    check_source(block, kind, at)?;
    prompt.images += 1;
    Ok(())
}

fn check_source(block: &Value, kind: &str, at: &str) -> Result<(), ApiError> {
    let at = format!("{at}.{kind}.source");
    let source = |name: &str| block.pointer(&format!("/source/{name}")).and_then(Value::as_str);
    match (kind, source("type")) {
        (_, Some("base64")) => {
            let media = source("media_type").unwrap_or_default();
            let known = if kind == "image" { IMAGES.contains(&media) } else { media == "application/pdf" };
            if !known {
                let expected = if kind == "image" {
                    "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                } else {
                    "'application/pdf'"
                };
                return Err(invalid(format!("{at}.base64.media_type: Input should be {expected}")));
            }
            if STANDARD.decode(source("data").unwrap_or_default()).is_err() {
                return Err(invalid(format!("{at}.base64.data: invalid base64 data")));
            }
            Ok(())
        }
        (_, Some("url")) if !source("url").is_some_and(|url| url.starts_with("http")) => {
            Err(invalid(format!("{at}.url.url: Only HTTP and HTTPS URLs are supported.")))
        }
        (_, Some("url" | "file")) | ("document", Some("text" | "content")) => Ok(()),
        (_, Some(other)) => Err(invalid(format!(
            "{at}: Input tag '{other}' found using 'type' does not match any of the expected tags"
        ))),
        (_, None) => Err(invalid(format!("{at}: Field required"))),
    }
}
