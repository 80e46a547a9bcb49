//! Who may speak now, and whether every call gets its result.

use serde_json::Value;

use super::super::super::super::error::ApiError;
use super::super::super::super::prompt::Prompt;
use super::super::super::rules::{invalid_type, missing, name, short};

const ROLES: &str = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'";
const MAX_CALL_ID: usize = 40;
const MAX_PARTICIPANT: usize = 64;

/// The calls that wait for their results.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    open: Vec<&'a str>,
}

impl<'a> Turns<'a> {
    pub(super) fn turn(
        &mut self,
        prompt: &mut Prompt,
        message: &'a Value,
        role: &str,
        at: &str,
    ) -> Result<(), ApiError> {
        if role != "tool" {
            self.all_answered(at)?;
        }
        participant(message, role, at)?;
        match role {
            "user" => prompt.last_user_text.clear(),
            "system" | "developer" => {}
            "function" => drop(name(message.get("name"), &format!("{at}.name"))?),
            "assistant" => self.assistant(prompt, message, at)?,
            "tool" => {
                let id = message.get("tool_call_id").and_then(Value::as_str);
                let id = id.ok_or_else(|| missing(&format!("{at}.tool_call_id")))?;
                let before = self.open.len();
                self.open.retain(|open| *open != id);
                if before == self.open.len() {
                    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                    return Err(ApiError::invalid(format!("{at}.role"), message));
                }
            }
            other => {
                let message = format!("Invalid value: '{other}'. Supported values are: {ROLES}.");
                return Err(ApiError::invalid(format!("{at}.role"), message).code("invalid_value"));
            }
        }
        Ok(())
    }

    /// After the last of so many messages.
    pub(super) fn end(&self, messages: usize) -> Result<(), ApiError> {
        self.all_answered(&format!("messages[{}]", messages - 1))
    }

    fn all_answered(&self, at: &str) -> Result<(), ApiError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let message = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            self.open.join(", ")
        );
        Err(ApiError::invalid(format!("{at}.role"), message))
    }

    fn assistant(&mut self, prompt: &mut Prompt, message: &'a Value, at: &str) -> Result<(), ApiError> {
        let given = |name: &str| message.get(name).filter(|value| !value.is_null());
        let Some(calls) = given("tool_calls") else {
            if ["content", "refusal", "audio", "function_call"].iter().all(|name| given(name).is_none()) {
                let at = format!("{at}.content");
                return Err(ApiError::invalid(at, "Invalid value for 'content': expected a string, got null."));
            }
            return Ok(());
        };
        let at = format!("{at}.tool_calls");
        let calls = calls.as_array().ok_or_else(|| invalid_type(&at, "an array"))?;
        if calls.is_empty() {
            let message = format!(
                "Invalid '{at}': empty array. Expected an array with minimum length 1, but got an empty array instead."
            );
            return Err(ApiError::invalid(at, message).code("empty_array"));
        }
        for (index, call) in calls.iter().enumerate() {
            let at = format!("{at}[{index}]");
            let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| missing(&format!("{at}.id")))?;
            short(id, &format!("{at}.id"), MAX_CALL_ID)?;
            self.open.push(id);
            called(prompt, call, &at)?;
        }
        Ok(())
    }
}

/// What a call of earlier says: a function with arguments, or a tool with free text.
fn called(prompt: &mut Prompt, call: &Value, at: &str) -> Result<(), ApiError> {
    let (kind, field) = match call.get("type").and_then(Value::as_str) {
        Some("function") => ("function", "arguments"),
        Some("custom") => ("custom", "input"),
        Some(other) => {
            let message = format!("Invalid value: '{other}'. Supported values are: 'function' and 'custom'.");
            return Err(ApiError::invalid(format!("{at}.type"), message).code("invalid_value"));
        }
        None => return Err(missing(&format!("{at}.type"))),
    };
    let inner = call.get(kind).ok_or_else(|| missing(&format!("{at}.{kind}")))?;
    name(inner.get("name"), &format!("{at}.{kind}.name"))?;
    let at = format!("{at}.{kind}.{field}");
    let said = inner.get(field).ok_or_else(|| missing(&at))?;
    let said = said.as_str().ok_or_else(|| invalid_type(&at, "a string, but got something else instead"))?;
    prompt.text(said);
    if kind == "function" && serde_json::from_str::<Value>(said).is_err() {
        return Err(ApiError::invalid(at, "Invalid 'arguments': not a JSON string."));
    }
    Ok(())
}

/// The name of whoever speaks.
fn participant(message: &Value, role: &str, at: &str) -> Result<(), ApiError> {
    let Some(name) = message.get("name").and_then(Value::as_str).filter(|_| role != "function") else { return Ok(()) };
    let at = format!("{at}.name");
    short(name, &at, MAX_PARTICIPANT)?;
    if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || "<|\\/>".contains(letter)) {
        let message = format!(
            "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern '^[^\\s<|\\\\/>]+$'."
        );
        return Err(ApiError::invalid(at, message).code("invalid_value"));
    }
    Ok(())
}
