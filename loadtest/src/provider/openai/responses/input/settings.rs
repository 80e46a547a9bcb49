//! Everything of a Responses request besides its input.

use serde_json::Value;

use super::super::super::super::error::ApiError;
use super::super::super::super::prompt::{Format, Prompt, ToolChoice};
use super::super::super::rules::{function, json_schema, missing, name, unknown_word, word};
use super::super::super::within;
use super::includes;

const MAX_LOGPROBS: f64 = 20.0;
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const SUMMARIES: [&str; 3] = ["auto", "concise", "detailed"];
const INCLUDES: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

pub(super) fn read(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    tools(prompt, body)?;
    choice(prompt, body)?;
    format(prompt, body)?;
    prompt.parallel_allowed = body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true);
    prompt.max_output_tokens = body.get("max_output_tokens").and_then(Value::as_u64);
    reasoning(prompt, body)?;
    for (index, wish) in body.get("include").and_then(Value::as_array).into_iter().flatten().enumerate() {
        word(Some(wish), &format!("include[{index}]"), &INCLUDES)?;
    }
    within(body, "top_logprobs", 0.0, MAX_LOGPROBS)?;
    if includes(body, "message.output_text.logprobs") {
        prompt.log_probabilities = Some(body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0));
    }
    Ok(())
}

fn reasoning(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let effort = body.pointer("/reasoning/effort");
    word(effort, "reasoning.effort", &EFFORTS)?;
    word(body.pointer("/reasoning/summary"), "reasoning.summary", &SUMMARIES)?;
    match effort.and_then(Value::as_str) {
        Some("none") => prompt.reasoning = false,
        Some(_) => prompt.reasoning = true,
        None => {}
    }
    Ok(())
}

/// Names stand in the tool itself here, not in a `function` inside it.
fn tools(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools[{index}]");
        match tool.get("type").and_then(Value::as_str).ok_or_else(|| missing(&format!("{at}.type")))? {
            "function" => {
                function(tool, &at, prompt.profile.strict)?;
                prompt.tool(name(tool.get("name"), &at)?, tool.get("parameters"));
            }
            "custom" => prompt.custom_tool(name(tool.get("name"), &format!("{at}.name"))?),
            _ => {}
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
            Some("function" | "custom") => ToolChoice::Named(name(choice.get("name"), "tool_choice.name")?.to_owned()),
            Some("allowed_tools") if choice.get("mode").and_then(Value::as_str) == Some("required") => {
                ToolChoice::Required
            }
            Some(_) => ToolChoice::Auto,
            None => return Err(missing("tool_choice.type")),
        },
    };
    let forced = matches!(prompt.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    if forced && body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let message = "Tool choice 'required' must be specified with 'tools' parameter.";
        return Err(ApiError::invalid("tool_choice", message));
    }
    if let ToolChoice::Named(name) = &prompt.tool_choice
        && !prompt.tools.iter().any(|tool| tool.name == *name)
    {
        let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
        return Err(ApiError::invalid("tool_choice", message));
    }
    Ok(())
}

fn format(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    word(body.pointer("/text/verbosity"), "text.verbosity", &["low", "medium", "high"])?;
    let Some(format) = body.pointer("/text/format").filter(|format| !format.is_null()) else { return Ok(()) };
    prompt.format = match format.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => {
            json_schema(format, "text.format", "text.format.schema")?;
            let schema = format.get("schema").ok_or_else(|| missing("text.format.schema"))?;
            Format::JsonSchema(schema.clone())
        }
        other => return Err(unknown_word(other, "text.format.type", &["json_object", "json_schema", "text"])),
    };
    Ok(())
}
