//! The functions that are declared, and whether one must be called.

use std::collections::HashSet;

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::prompt::{Prompt, ToolChoice, strings};
use super::{field, invalid, list, schema};

const MAX_NAME: usize = 64;

pub(super) fn read(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let mut names = HashSet::new();
    for (index, tool) in list(body, "tools").enumerate() {
        for (number, function) in list(tool, "functionDeclarations").enumerate() {
            let at = format!("tools[{index}].function_declarations[{number}]");
            let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
            if !is_name(name) {
                return Err(invalid(format!(
                    "* GenerateContentRequest.{at}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of {MAX_NAME}.\n"
                )));
            }
            if !names.insert(name.to_owned()) {
                return Err(invalid(format!("Duplicate function declaration found: {name}")));
            }
            let (classic, full) = (function.get("parameters"), field(function, "parametersJsonSchema"));
            for (name, schema) in [("parameters", classic), ("response", function.get("response"))] {
                schema.map_or(Ok(()), |schema| schema::check(schema, &format!("{at}.{name}")))?;
            }
            if classic.is_some() && full.is_some() {
                return Err(invalid(format!(
                    "* GenerateContentRequest.{at}: only one of parameters and parameters_json_schema may be set.\n"
                )));
            }
            if prompt.profile.strict && classic.is_some_and(is_empty_object) {
                return Err(invalid(format!(
                    "* GenerateContentRequest.{at}.parameters.properties: should be non-empty for OBJECT type\n"
                )));
            }
            prompt.tool(name, full.or(classic));
        }
    }
    choice(prompt, body)
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    name.len() <= MAX_NAME
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(inner)
}

fn is_empty_object(schema: &Value) -> bool {
    let is_object = schema.get("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("object"));
    is_object && schema.get("properties").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
}

fn choice(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let calling = field(body, "toolConfig").and_then(|config| field(config, "functionCallingConfig"));
    let Some(calling) = calling else { return Ok(()) };
    let allowed = strings(field(calling, "allowedFunctionNames"));
    let mode = match calling.get("mode") {
        None | Some(Value::Null) => "AUTO".to_owned(),
        Some(mode) => mode.as_str().unwrap_or_default().to_ascii_uppercase(),
    };
    prompt.tool_choice = match mode.as_str() {
        "AUTO" | "MODE_UNSPECIFIED" | "VALIDATED" => ToolChoice::Auto,
        "NONE" => ToolChoice::None,
        "ANY" => allowed.first().map_or(ToolChoice::Required, |name| ToolChoice::Named(name.clone())),
        other => {
            return Err(invalid(format!(
                "Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), \"{other}\""
            )));
        }
    };
    if !allowed.is_empty() && !matches!(mode.as_str(), "ANY" | "VALIDATED") {
        return Err(invalid("Allowed function names can only be set when function calling mode is ANY or VALIDATED."));
    }
    if let Some(name) = allowed.iter().find(|name| !prompt.tools.iter().any(|tool| tool.name == **name)) {
        return Err(invalid(format!(
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: `{name}` is not declared in tools.\n"
        )));
    }
    if mode == "ANY" && prompt.tools.is_empty() {
        return Err(invalid("Function calling config is set without function_declarations."));
    }
    Ok(())
}
