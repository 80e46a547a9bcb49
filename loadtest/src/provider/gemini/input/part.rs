//! One part of a content.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::prompt::Prompt;
use super::super::thought;
use super::{field, invalid};

/// Parts that say something of their own, of which each has one.
const KINDS: [&str; 9] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

pub(super) fn read(prompt: &mut Prompt, part: &Value, role: &str, at: &str) -> Result<(), ApiError> {
    let text = |value: &Value, name: &str| field(value, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let signature = field(part, "thoughtSignature").and_then(Value::as_str);
    let called = field(part, "functionCall").map(|call| text(call, "name"));
    if signature.is_some_and(|signature| !thought::is_valid(signature, called.as_deref())) {
        return Err(invalid("Thought signature is not valid."));
    }
    let mut kinds = KINDS.iter().filter(|kind| field(part, kind).is_some());
    let Some(kind) = kinds.next() else {
        if signature.is_some() {
            return Ok(());
        }
        return Err(invalid(format!(
            "* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field\n"
        )));
    };
    if kinds.next().is_some() {
        return Err(invalid(format!("Invalid value at '{at}' (oneof), oneof field 'data' is already set.")));
    }
    let Some(value) = field(part, kind) else { return Ok(()) };
    match (*kind, role) {
        ("text", "user") => prompt.user_text(value.as_str().unwrap_or_default()),
        ("text", _) => prompt.text(value.as_str().unwrap_or_default()),
        ("inlineData" | "fileData", _) => data(prompt, value, kind, at)?,
        ("functionCall", "user") => {
            return Err(invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            ));
        }
        ("functionResponse", "model") => {
            return Err(invalid(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        ("functionCall", _) => {
            if called.is_none_or(|name| name.is_empty()) {
                return Err(invalid(format!(
                    "* GenerateContentRequest.{at}.function_call.name: Name cannot be empty.\n"
                )));
            }
            object(field(value, "args"), &format!("{at}.function_call.args"))?;
            prompt.text_bytes += value.to_string().len();
        }
        ("functionResponse", _) => {
            if text(value, "name").is_empty() {
                return Err(invalid(format!(
                    "* GenerateContentRequest.{at}.function_response.name: Name cannot be empty.\n"
                )));
            }
            let at = format!("{at}.function_response.response");
            object(Some(value.get("response").unwrap_or(&Value::Null)), &at)?;
            prompt.ends_with_tool_result = true;
            prompt.text_bytes += value.to_string().len();
        }
        _ => prompt.text_bytes += value.to_string().len(),
    }
    Ok(())
}

fn object(value: Option<&Value>, at: &str) -> Result<(), ApiError> {
    if value.is_none_or(Value::is_object) {
        return Ok(());
    }
    Err(invalid(format!("Invalid value at '{at}' (type.googleapis.com/google.protobuf.Struct)")))
}

fn data(prompt: &mut Prompt, data: &Value, kind: &str, at: &str) -> Result<(), ApiError> {
    let text = |name: &str| field(data, name).and_then(Value::as_str).unwrap_or_default();
    let media = text("mimeType");
    // A file that was uploaded has a type already.
    if media.is_empty() && kind == "inlineData" {
        return Err(invalid(format!("* GenerateContentRequest.{at}.inline_data.mime_type: must be set.\n")));
    }
    if kind == "inlineData" {
        let bytes = text("data");
        if STANDARD.decode(bytes).or_else(|_| URL_SAFE.decode(bytes)).is_err() {
            return Err(invalid(format!(
                "Invalid value at '{at}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
            )));
        }
    } else if text("fileUri").is_empty() {
        return Err(invalid(format!("* GenerateContentRequest.{at}.file_data.file_uri: must be set.\n")));
    }
    if media.starts_with("audio/") {
        prompt.audios += 1;
    } else {
        prompt.images += 1;
    }
    Ok(())
}
