//! Calls and their results in the order of the contents.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::{field, invalid, list};

/// The calls of the turn before, which the next one must answer: names and ids. Neighbouring contents of the model are
/// one turn: the SDKs' chats keep every chunk of a stream as one.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    open: Vec<(&'a str, Option<&'a str>)>,
    is_models: bool,
}

impl<'a> Turns<'a> {
    pub(super) fn content(&mut self, role: &str, parts: &'a [Value]) -> Result<(), ApiError> {
        let named = |kind: &str| {
            let inner = parts.iter().filter_map(|part| field(part, kind));
            inner.map(|inner| (text(inner, "name").unwrap_or_default(), text(inner, "id"))).collect::<Vec<_>>()
        };
        let goes_on = std::mem::replace(&mut self.is_models, role == "model");
        if role == "model" {
            if !goes_on {
                self.end()?;
            }
            self.open.extend(named("functionCall"));
            return Ok(());
        }
        let responses = named("functionResponse");
        if responses.is_empty() && self.open.is_empty() {
            return Ok(());
        }
        if responses.len() != self.open.len() {
            return Err(unbalanced());
        }
        for (response, call) in responses.iter().zip(&self.open) {
            if response.0 != call.0 || response.1.is_some() && call.1.is_some() && response.1 != call.1 {
                return Err(invalid(format!(
                    "Please ensure that function response parts match the function calls of the function call turn in name and order: expected `{}`, but got `{}`.",
                    call.0, response.0
                )));
            }
        }
        self.open.clear();
        Ok(())
    }

    /// Nothing may wait for its result here.
    pub(super) fn end(&self) -> Result<(), ApiError> {
        if self.open.is_empty() { Ok(()) } else { Err(unbalanced()) }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn unbalanced() -> ApiError {
    invalid(
        "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
    )
}

/// In the current turn, which began with the user's last words, the first call of each step has its signature.
pub(super) fn calls_are_signed(contents: &[Value]) -> Result<(), ApiError> {
    let is_user = |content: &Value| content.get("role").and_then(Value::as_str) != Some("model");
    let speaks = |content: &Value| {
        is_user(content) && list(content, "parts").any(|part| field(part, "functionResponse").is_none())
    };
    let start = contents.iter().rposition(speaks).unwrap_or(0);
    let mut has_called = false;
    for (index, content) in contents.iter().enumerate().skip(start) {
        if is_user(content) {
            has_called = false;
            continue;
        }
        let first = list(content, "parts").find(|part| !has_called && field(part, "functionCall").is_some());
        has_called |= first.is_some();
        let Some(part) = first.filter(|part| field(part, "thoughtSignature").is_none()) else { continue };
        let name = field(part, "functionCall").and_then(|call| text(call, "name")).unwrap_or_default();
        return Err(invalid(format!(
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}` , position {}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
            index + 1
        )));
    }
    Ok(())
}
