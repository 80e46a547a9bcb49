//! Reading a Messages request, with the rules that the real endpoint enforces.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::plan::Protocol;
use super::super::prompt::Prompt;
use super::members;

mod block;
mod settings;
mod turns;

use turns::Turns;

pub(super) fn prompt(context: &Context, body: &Value, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let model = body.get("model").and_then(Value::as_str).filter(|name| !name.is_empty());
    let model = model.ok_or_else(|| invalid("model: Field required"))?;
    let profile = context.profile(model);
    if profile.unknown {
        return Err(ApiError::model_not_found(Protocol::Anthropic, model));
    }
    if profile.strict {
        members::refuse_unknown(body)?;
    }
    let mut prompt = Prompt::new(profile, bytes);
    if let Some(system) = body.get("system") {
        block::read_all(&mut prompt, system, "system", &mut Turns::default())?;
    }
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| invalid("messages: Field required"))?;
    if messages.is_empty() {
        return Err(invalid("messages: at least one message is required"));
    }
    let mut turns = Turns::default();
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let at = format!("messages.{index}");
        turns.begin(role, &at)?;
        if role == "user" {
            prompt.last_user_text.clear();
        }
        prompt.messages += 1;
        let content = message.get("content").ok_or_else(|| invalid(format!("{at}.content: Field required")))?;
        not_empty(content, &at, role, index + 1 == messages.len())?;
        block::read_all(&mut prompt, content, &format!("{at}.content"), &mut turns)?;
        turns.end(&at)?;
    }
    if turns.is_waiting() {
        return Err(turns.unanswered(&format!("messages.{}", messages.len() - 1)));
    }
    prompt.ends_with_tool_result = turns.had_results();
    settings::read(&mut prompt, body)?;
    Ok(prompt)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, message)
}

fn not_empty(content: &Value, at: &str, role: &str, last: bool) -> Result<(), ApiError> {
    let (empty, blank) = match content {
        Value::String(text) => (text.is_empty(), text.trim().is_empty()),
        Value::Array(blocks) => (blocks.is_empty(), false),
        _ => (false, false),
    };
    // The final assistant message may be one that the model is to fill.
    if empty && !(last && role == "assistant") {
        return Err(invalid(format!(
            "{at}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    if blank && !empty {
        return Err(invalid("messages: text content blocks must contain non-whitespace text"));
    }
    let ends = match content {
        Value::String(text) => Some(text.as_str()),
        Value::Array(blocks) => blocks.last().and_then(|block| block.get("text")?.as_str()),
        _ => None,
    };
    if last && role == "assistant" && ends.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return Err(invalid("messages: final assistant content cannot end with trailing whitespace"));
    }
    Ok(())
}
