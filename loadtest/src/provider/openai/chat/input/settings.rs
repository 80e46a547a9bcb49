//! Everything of a chat request besides its messages.

use serde_json::Value;

use super::super::super::super::error::ApiError;
use super::super::super::super::prompt::{Format, Prompt, ToolChoice, strings};
use super::super::super::rules::{
    at_least, function, invalid_type, json_schema, missing, name, needs_tools, unknown_word, word,
};
use super::super::super::within;

const MAX_CHOICES: u64 = 128;
const MAX_LOGPROBS: f64 = 20.0;
const MAX_STOPS: usize = 4;
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

pub(super) fn read(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    limits(body)?;
    tools(prompt, body)?;
    choice(prompt, body)?;
    format(prompt, body)?;
    prompt.parallel_allowed = body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true);
    let limit = body.get("max_completion_tokens").or_else(|| body.get("max_tokens"));
    prompt.max_output_tokens = limit.and_then(Value::as_u64);
    prompt.stop = stops(body)?;
    prompt.choices = body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_CHOICES);
    if body.get("logprobs").and_then(Value::as_bool) == Some(true) {
        prompt.log_probabilities = Some(body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0));
    }
    match body.get("reasoning_effort").and_then(Value::as_str) {
        Some("none") => prompt.reasoning = false,
        Some(_) => prompt.reasoning = true,
        None => {}
    }
    Ok(())
}

fn limits(body: &Value) -> Result<(), ApiError> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    for name in ["n", "max_tokens", "max_completion_tokens"] {
        at_least(body, name, 1)?;
    }
    for name in ["presence_penalty", "frequency_penalty"] {
        within(body, name, -2.0, 2.0)?;
    }
    within(body, "top_logprobs", 0.0, MAX_LOGPROBS)?;
    if given("max_tokens") && given("max_completion_tokens") {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(ApiError::invalid("max_tokens", message));
    }
    if given("top_logprobs") && body.get("logprobs") != Some(&Value::Bool(true)) {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(ApiError::invalid("top_logprobs", message));
    }
    if given("stream_options") && body.get("stream") != Some(&Value::Bool(true)) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(ApiError::invalid("stream_options", message));
    }
    word(body.get("reasoning_effort"), "reasoning_effort", &EFFORTS)?;
    word(body.get("verbosity"), "verbosity", &["low", "medium", "high"])
}

fn stops(body: &Value) -> Result<Vec<String>, ApiError> {
    let stops = match body.get("stop") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value @ (Value::String(_) | Value::Array(_))) => strings(Some(value)),
        Some(_) => return Err(invalid_type("stop", "one of a string or array of strings")),
    };
    if stops.len() > MAX_STOPS {
        let message = format!(
            "Invalid 'stop': array too long. Expected an array with maximum length {MAX_STOPS}, but got an array with length {} instead.",
            stops.len()
        );
        return Err(ApiError::invalid("stop", message).code("array_above_max_length"));
    }
    if stops.iter().any(String::is_empty) {
        return Err(ApiError::invalid("stop", "Invalid 'stop': empty string.").code("invalid_value"));
    }
    Ok(stops)
}

fn tools(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    needs_tools(body)?;
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools[{index}]");
        match tool.get("type").and_then(Value::as_str) {
            Some("function") => {
                let at = format!("{at}.function");
                let inner = tool.get("function").ok_or_else(|| missing(&at))?;
                function(inner, &at, prompt.profile.strict)?;
                prompt.tool(name(inner.get("name"), &at)?, inner.get("parameters"));
            }
            Some("custom") => {
                prompt.custom_tool(name(tool.pointer("/custom/name"), &format!("{at}.custom.name"))?);
            }
            Some(other) => return Err(unknown_word(other, &format!("{at}.type"), &["function", "custom"])),
            None => return Err(missing(&format!("{at}.type"))),
        }
    }
    Ok(())
}

fn choice(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    prompt.tool_choice = match body.get("tool_choice") {
        None | Some(Value::Null) => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "none" => ToolChoice::None,
            "auto" => ToolChoice::Auto,
            "required" => ToolChoice::Required,
            other => return Err(unknown_word(other, "tool_choice", &["none", "auto", "required"])),
        },
        Some(choice) => match choice.get("type").and_then(Value::as_str) {
            Some(kind @ ("function" | "custom")) => {
                let at = format!("tool_choice.{kind}.name");
                ToolChoice::Named(name(choice.pointer(&format!("/{kind}/name")), &at)?.to_owned())
            }
            Some("allowed_tools") => match choice.pointer("/allowed_tools/mode").and_then(Value::as_str) {
                Some("required") => ToolChoice::Required,
                _ => ToolChoice::Auto,
            },
            other => {
                let known = ["function", "allowed_tools", "custom"];
                return Err(unknown_word(other.unwrap_or_default(), "tool_choice.type", &known));
            }
        },
    };
    if let ToolChoice::Named(name) = &prompt.tool_choice
        && !prompt.tools.iter().any(|tool| tool.name == *name)
    {
        let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
        return Err(ApiError::invalid("tool_choice", message));
    }
    Ok(())
}

fn format(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let Some(format) = body.get("response_format").filter(|format| !format.is_null()) else { return Ok(()) };
    prompt.format = match format.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => Format::Text,
        "json_object" => {
            let said = body.get("messages").map(|messages| messages.to_string().to_ascii_lowercase());
            if prompt.profile.strict && !said.is_some_and(|text| text.contains("json")) {
                let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
                return Err(ApiError::invalid("messages", message));
            }
            Format::JsonObject
        }
        "json_schema" => {
            let at = "response_format.json_schema";
            let inner = format.get("json_schema").ok_or_else(|| missing(at))?;
            json_schema(inner, at, "response_format")?;
            Format::JsonSchema(inner.get("schema").cloned().unwrap_or_default())
        }
        other => {
            return Err(unknown_word(other, "response_format.type", &["json_object", "json_schema", "text"]));
        }
    };
    Ok(())
}
