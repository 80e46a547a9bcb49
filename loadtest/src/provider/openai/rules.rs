//! Rules that chat completions and responses share: names, tools, schemas of structured answers.

use serde_json::Value;

use super::super::error::ApiError;
use super::strict_schema;

const MAX_NAME: usize = 64;

pub(super) fn missing(at: &str) -> ApiError {
    ApiError::invalid(at, format!("Missing required parameter: '{at}'.")).code("missing_required_parameter")
}

pub(super) fn invalid_type(at: &str, expected: &str) -> ApiError {
    ApiError::invalid(at, format!("Invalid type for '{at}': expected {expected}.")).code("invalid_type")
}

/// A word out of a list, where one is given.
pub(super) fn word(value: Option<&Value>, at: &str, known: &[&str]) -> Result<(), ApiError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(()) };
    let Some(word) = value.as_str() else { return Err(invalid_type(at, "a string")) };
    if known.contains(&word) { Ok(()) } else { Err(unknown_word(word, at, known)) }
}

pub(super) fn unknown_word(word: &str, at: &str, known: &[&str]) -> ApiError {
    let message = format!("Invalid value: '{word}'. Supported values are: '{}'.", known.join("', '"));
    ApiError::invalid(at, message).code("invalid_value")
}

/// The name of a function, tool or format.
pub(super) fn name<'a>(value: Option<&'a Value>, at: &str) -> Result<&'a str, ApiError> {
    let name = value.and_then(Value::as_str).ok_or_else(|| missing(at))?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        let message = format!(
            "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        );
        return Err(ApiError::invalid(at, message).code("invalid_value"));
    }
    short(name, at, MAX_NAME)?;
    Ok(name)
}

pub(super) fn short(text: &str, at: &str, maximum: usize) -> Result<(), ApiError> {
    if text.len() <= maximum {
        return Ok(());
    }
    let message = format!(
        "Invalid '{at}': string too long. Expected a string with maximum length {maximum}, but got a string with length {} instead.",
        text.len()
    );
    Err(ApiError::invalid(at, message).code("string_above_max_length"))
}

/// A whole number with a least value, where one is given.
pub(super) fn at_least(body: &Value, name: &str, least: u64) -> Result<(), ApiError> {
    let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return Ok(()) };
    match (value.as_u64(), value.as_i64()) {
        (Some(number), _) if number >= least => Ok(()),
        (None, None) => Err(invalid_type(name, "an integer")),
        _ => {
            let message = format!(
                "Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead."
            );
            Err(ApiError::invalid(name, message).code("integer_below_min_value"))
        }
    }
}

/// A function as a tool offers it: `at` is where its name and parameters stand.
pub(super) fn function(function: &Value, at: &str, strict_request: bool) -> Result<(), ApiError> {
    let name = name(function.get("name"), &format!("{at}.name"))?;
    let Some(schema) = function.get("parameters").filter(|schema| !schema.is_null()) else { return Ok(()) };
    let kind = schema.get("type").and_then(Value::as_str);
    if !schema.is_object() || kind.is_some_and(|kind| kind != "object") || kind.is_none() && strict_request {
        let message = format!(
            "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{}\"'.",
            kind.unwrap_or("None")
        );
        return Err(ApiError::invalid(format!("{at}.parameters"), message).code("invalid_function_parameters"));
    }
    if function.get("strict") == Some(&Value::Bool(true)) {
        strict_schema::check(schema).map_err(|why| {
            let message = format!("Invalid schema for function '{name}': {why}");
            ApiError::invalid(format!("{at}.parameters"), message).code("invalid_function_parameters")
        })?;
    }
    Ok(())
}

/// A format of an answer; `at` is where its name and schema stand.
pub(super) fn json_schema(format: &Value, at: &str, param: &str) -> Result<(), ApiError> {
    let name = name(format.get("name"), &format!("{at}.name"))?;
    let schema = format.get("schema").filter(|schema| schema.is_object());
    match schema {
        None if format.get("strict") != Some(&Value::Bool(true)) && format.get("schema").is_none() => Ok(()),
        None => Err(missing(&format!("{at}.schema"))),
        Some(schema) if format.get("strict") == Some(&Value::Bool(true)) => strict_schema::check(schema)
            .map_err(|why| ApiError::invalid(param, format!("Invalid schema for response_format '{name}': {why}"))),
        Some(_) => Ok(()),
    }
}

/// What is only allowed where tools are offered.
pub(super) fn needs_tools(body: &Value) -> Result<(), ApiError> {
    let tools = body.get("tools").filter(|tools| !tools.is_null());
    if tools.and_then(Value::as_array).is_some_and(Vec::is_empty) {
        let message =
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(ApiError::invalid("tools", message).code("empty_array"));
    }
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    for name in ["tool_choice", "parallel_tool_calls"] {
        if tools.is_none() && given(name) {
            return Err(ApiError::invalid(name, format!("'{name}' is only allowed when 'tools' are specified.")));
        }
    }
    Ok(())
}
