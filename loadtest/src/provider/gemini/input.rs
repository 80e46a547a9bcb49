//! Reading a `GenerateContentRequest`. Field names may be in camel or snake case, as protobuf's
//! JSON allows.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::profile::Profile;
use super::super::prompt::{Format, Prompt, ToolChoice, strings};
use super::thought;

const MAX_CANDIDATES: u64 = 8;
const MAX_LOGPROBS: u64 = 20;

/// A field under either of its names.
pub(super) fn field<'a>(value: &'a Value, camel: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| {
        let snake = camel.chars().fold(String::new(), |mut name, letter| {
            if letter.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
            name
        });
        value.get(snake)
    })
}

pub(super) fn prompt(model: &str, profile: Profile, body: &Value, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let mut prompt = Prompt::new(profile, bytes);
    prompt.refusal = "";
    let contents = body.get("contents").and_then(Value::as_array).filter(|contents| !contents.is_empty());
    let contents =
        contents.ok_or_else(|| ApiError::new(400, "* GenerateContentRequest.contents: contents is not specified\n"))?;
    if let Some(system) = field(body, "systemInstruction") {
        for part in system.get("parts").and_then(Value::as_array).into_iter().flatten() {
            prompt.text(part.get("text").and_then(Value::as_str).unwrap_or_default());
        }
    }
    for (index, content) in contents.iter().enumerate() {
        let role = content.get("role").and_then(Value::as_str).unwrap_or("user");
        if !matches!(role, "user" | "model" | "function") {
            return Err(ApiError::new(400, "Please use a valid role: user, model."));
        }
        let parts = content.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| {
            ApiError::new(
                400,
                format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n"),
            )
        })?;
        if role == "user" {
            prompt.last_user_text.clear();
        }
        prompt.messages += 1;
        prompt.ends_with_tool_result = false;
        for (number, one) in parts.iter().enumerate() {
            part(model, &mut prompt, one, role, &format!("contents[{index}].parts[{number}]"))?;
        }
    }
    settings(&mut prompt, body);
    Ok(prompt)
}

fn part(model: &str, prompt: &mut Prompt, part: &Value, role: &str, at: &str) -> Result<(), ApiError> {
    let signature = field(part, "thoughtSignature").and_then(Value::as_str);
    let called = field(part, "functionCall").map(|call| call.get("name").and_then(Value::as_str).unwrap_or_default());
    if signature.is_some_and(|signature| !thought::is_valid(signature, called)) {
        return Err(ApiError::new(400, "Thought signature is not valid."));
    }
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        if role == "user" { prompt.user_text(text) } else { prompt.text(text) }
    } else if let Some(data) = field(part, "inlineData").or_else(|| field(part, "fileData")) {
        let media = field(data, "mimeType").and_then(Value::as_str).unwrap_or_default();
        if media.is_empty() {
            return Err(ApiError::new(
                400,
                format!("* GenerateContentRequest.{at}.inline_data.mime_type: must be set.\n"),
            ));
        }
        if media.starts_with("audio/") { prompt.audios += 1 } else { prompt.images += 1 }
    } else if let Some(call) = field(part, "functionCall") {
        let name = call.get("name").and_then(Value::as_str).unwrap_or_default();
        if model.starts_with("gemini-3") && signature.is_none() && !at.ends_with("parts[1]") {
            return Err(ApiError::new(
                400,
                format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}`."
                ),
            ));
        }
        prompt.text_bytes += call.to_string().len();
    } else if let Some(response) = field(part, "functionResponse") {
        if response.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(ApiError::new(
                400,
                format!("* GenerateContentRequest.{at}.function_response.name: Name cannot be empty.\n"),
            ));
        }
        if !response.get("response").is_some_and(Value::is_object) {
            return Err(ApiError::new(
                400,
                format!(
                    "Invalid value at '{at}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
                ),
            ));
        }
        prompt.ends_with_tool_result = true;
        prompt.text_bytes += response.to_string().len();
    } else if signature.is_none() {
        return Err(ApiError::new(
            400,
            format!(
                "* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field\n"
            ),
        ));
    }
    Ok(())
}

fn settings(prompt: &mut Prompt, body: &Value) {
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        for function in field(tool, "functionDeclarations").and_then(Value::as_array).into_iter().flatten() {
            let schema = field(function, "parametersJsonSchema").or_else(|| function.get("parameters"));
            prompt.tool(function.get("name").and_then(Value::as_str).unwrap_or_default(), schema);
        }
    }
    let calling = field(body, "toolConfig").and_then(|config| field(config, "functionCallingConfig"));
    let allowed = calling.map(|calling| strings(field(calling, "allowedFunctionNames"))).unwrap_or_default();
    prompt.tool_choice = match calling.and_then(|calling| calling.get("mode")).and_then(Value::as_str) {
        Some("NONE") => ToolChoice::None,
        Some("ANY") => allowed.into_iter().next().map_or(ToolChoice::Required, ToolChoice::Named),
        _ => ToolChoice::Auto,
    };
    let Some(config) = field(body, "generationConfig") else { return };
    prompt.max_output_tokens = field(config, "maxOutputTokens").and_then(Value::as_u64);
    prompt.stop = strings(field(config, "stopSequences"));
    prompt.choices = field(config, "candidateCount").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_CANDIDATES);
    if field(config, "responseLogprobs").and_then(Value::as_bool) == Some(true) {
        let alternatives = field(config, "logprobs").and_then(Value::as_u64).unwrap_or(0);
        prompt.log_probabilities = Some(alternatives.min(MAX_LOGPROBS));
    }
    if field(config, "responseMimeType").and_then(Value::as_str) == Some("application/json") {
        let schema = field(config, "responseJsonSchema").or_else(|| field(config, "responseSchema"));
        prompt.format = schema.map_or(Format::JsonObject, |schema| Format::JsonSchema(schema.clone()));
    }
    if let Some(thinking) = field(config, "thinkingConfig") {
        prompt.profile.reasoning_content = field(thinking, "includeThoughts").and_then(Value::as_bool) == Some(true);
        prompt.reasoning = match field(thinking, "thinkingBudget").and_then(Value::as_i64) {
            Some(budget) => budget != 0,
            None => prompt.reasoning || field(thinking, "thinkingLevel").is_some() || prompt.profile.reasoning_content,
        };
    }
}
