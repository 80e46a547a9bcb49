//! Reading a chat request, with the rules that the real endpoint enforces.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::exchange::Context;
use super::super::super::profile::Profile;
use super::super::super::prompt::{Format, Prompt, ToolChoice, strings};
use super::super::stored;

const MAX_CHOICES: u64 = 16;
const MAX_LOGPROBS: u64 = 20;

pub(super) fn prompt(context: &Context, body: &Value, profile: Profile, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| {
        ApiError::invalid("messages", "Missing required parameter: 'messages'.").code("missing_required_parameter")
    })?;
    let mut prompt = Prompt::new(profile, bytes);
    let mut open_calls = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let at = format!("messages[{index}]");
        turn(&mut prompt, message, role, &mut open_calls, &at)?;
        prompt.messages += 1;
        prompt.ends_with_tool_result = role == "tool";
        content(context, &mut prompt, message.get("content"), role == "user", &format!("{at}.content"))?;
    }
    if prompt.last_user_text.is_empty() {
        "(nothing)".clone_into(&mut prompt.last_user_text);
    }
    settings(&mut prompt, body);
    Ok(prompt)
}

/// Who may speak now, and whether every call gets its result.
fn turn<'a>(
    prompt: &mut Prompt,
    message: &'a Value,
    role: &str,
    open_calls: &mut Vec<&'a str>,
    at: &str,
) -> Result<(), ApiError> {
    let wrong = |message: String| Err(ApiError::invalid(format!("{at}.role"), message));
    if !open_calls.is_empty() && role != "tool" {
        return wrong(format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            open_calls.join(", ")
        ));
    }
    match role {
        "user" => prompt.last_user_text.clear(),
        "system" | "developer" | "function" => {}
        "assistant" => {
            for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                open_calls.push(call.get("id").and_then(Value::as_str).unwrap_or_default());
                let arguments = call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or("{}");
                prompt.text(arguments);
                if call.get("function").is_some() && serde_json::from_str::<Value>(arguments).is_err() {
                    return wrong("Invalid 'arguments': not a JSON string.".to_owned());
                }
            }
        }
        "tool" => {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            let before = open_calls.len();
            open_calls.retain(|open| *open != id);
            if before == open_calls.len() {
                return wrong("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.".to_owned());
            }
        }
        other => {
            return wrong(format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            ));
        }
    }
    Ok(())
}

fn content(
    context: &Context,
    prompt: &mut Prompt,
    content: Option<&Value>,
    by_user: bool,
    at: &str,
) -> Result<(), ApiError> {
    let say = |prompt: &mut Prompt, text: &str| if by_user { prompt.user_text(text) } else { prompt.text(text) };
    match content {
        Some(Value::String(text)) => say(prompt, text),
        Some(Value::Array(parts)) => {
            for part in parts {
                let text = part.get("text").or_else(|| part.get("refusal")).and_then(Value::as_str);
                match (part.get("type").and_then(Value::as_str).unwrap_or_default(), text) {
                    ("text" | "refusal", Some(text)) => say(prompt, text),
                    ("image_url", _) if part.pointer("/image_url/url").is_some_and(Value::is_string) => {
                        prompt.images += 1;
                    }
                    ("input_audio", _) => prompt.audios += 1,
                    ("file", _) => {
                        stored::check_file(context, part.pointer("/file/file_id"))?;
                        prompt.images += 1;
                    }
                    (kind, _) => {
                        return Err(ApiError::invalid(at, format!("Invalid content part of type '{kind}'."))
                            .code("invalid_value"));
                    }
                }
            }
        }
        None | Some(Value::Null) if !by_user => {}
        _ => {
            return Err(ApiError::invalid(at, format!("Invalid value for '{at}': expected a string or an array."))
                .code("invalid_type"));
        }
    }
    Ok(())
}

fn settings(prompt: &mut Prompt, body: &Value) {
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = tool.pointer("/function/name").and_then(Value::as_str) {
            prompt.tool(name, tool.pointer("/function/parameters"));
        } else if let Some(name) = tool.pointer("/custom/name").and_then(Value::as_str) {
            prompt.custom_tool(name);
        }
    }
    prompt.tool_choice = match body.get("tool_choice") {
        Some(Value::String(word)) if word == "none" => ToolChoice::None,
        Some(Value::String(word)) if word == "required" => ToolChoice::Required,
        Some(choice) => match ["/function/name", "/custom/name"].iter().find_map(|at| choice.pointer(at)?.as_str()) {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => ToolChoice::Auto,
        },
        None => ToolChoice::Auto,
    };
    prompt.parallel_allowed = body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true);
    prompt.format = match body.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_object") => Format::JsonObject,
        Some("json_schema") => {
            Format::JsonSchema(body.pointer("/response_format/json_schema/schema").cloned().unwrap_or_default())
        }
        _ => Format::Text,
    };
    let limit = body.get("max_completion_tokens").or_else(|| body.get("max_tokens"));
    prompt.max_output_tokens = limit.and_then(Value::as_u64);
    prompt.stop = strings(body.get("stop"));
    prompt.choices = body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_CHOICES);
    if body.get("logprobs").and_then(Value::as_bool) == Some(true) {
        prompt.log_probabilities =
            Some(body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0).min(MAX_LOGPROBS));
    }
    if body.get("reasoning_effort").and_then(Value::as_str).is_some_and(|effort| effort != "none") {
        prompt.reasoning = true;
    }
}
