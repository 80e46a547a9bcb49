//! Reading a `GenerateContentRequest`, with the rules that the real endpoint enforces. Field names may be in camel or
//! snake case, as protobuf's JSON allows.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::members::snake;
use super::super::profile::Profile;
use super::super::prompt::Prompt;
use super::members;

mod part;
mod schema;
mod settings;
mod tools;
mod turns;

use turns::Turns;

/// A field under either of its names.
pub(super) fn field<'a>(value: &'a Value, camel: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake(camel)))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, message)
}

/// The items of a field that may be there or not.
fn list<'a>(value: &'a Value, camel: &str) -> impl Iterator<Item = &'a Value> {
    field(value, camel).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn prompt(model: &str, profile: Profile, body: &Value, bytes: &[u8]) -> Result<Prompt, ApiError> {
    if profile.strict {
        members::refuse_unknown(body)?;
    }
    let mut prompt = Prompt::new(profile, bytes);
    // It says nothing of what is written to its cache.
    prompt.profile.cache_write = false;
    prompt.refusal = "";
    let contents = body.get("contents").and_then(Value::as_array).filter(|contents| !contents.is_empty());
    let contents = contents.ok_or_else(|| invalid("* GenerateContentRequest.contents: contents is not specified\n"))?;
    if let Some(system) = field(body, "systemInstruction") {
        for part in list(system, "parts") {
            prompt.text(part.get("text").and_then(Value::as_str).unwrap_or_default());
        }
    }
    let mut turns = Turns::default();
    for (index, content) in contents.iter().enumerate() {
        let role = content.get("role").and_then(Value::as_str).unwrap_or("user");
        if !matches!(role, "user" | "model") {
            return Err(invalid("Please use a valid role: user, model."));
        }
        let parts = content.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| {
            invalid(format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n"))
        })?;
        if role == "user" {
            prompt.last_user_text.clear();
        }
        prompt.messages += 1;
        prompt.ends_with_tool_result = false;
        for (number, one) in parts.iter().enumerate() {
            part::read(&mut prompt, one, role, &format!("contents[{index}].parts[{number}]"))?;
        }
        turns.content(role, parts)?;
    }
    turns.end()?;
    if model.starts_with("gemini-3") {
        turns::calls_are_signed(contents)?;
    }
    tools::read(&mut prompt, body)?;
    if let Some(config) = field(body, "generationConfig") {
        settings::read(model, &mut prompt, config)?;
    }
    Ok(prompt)
}
