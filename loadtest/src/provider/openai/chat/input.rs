//! Reading a chat request, with the rules that the real endpoint enforces.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::exchange::Context;
use super::super::super::profile::Profile;
use super::super::super::prompt::Prompt;
use super::super::rules::missing;

mod content;
mod settings;
mod turns;

use turns::Turns;

pub(super) fn prompt(context: &Context, body: &Value, profile: Profile, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| missing("messages"))?;
    let mut prompt = Prompt::new(profile, bytes);
    let mut turns = Turns::default();
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let at = format!("messages[{index}]");
        turns.turn(&mut prompt, message, role, &at)?;
        prompt.messages += 1;
        prompt.ends_with_tool_result = role == "tool";
        content::read(context, &mut prompt, message, role, &at)?;
    }
    turns.end(messages.len())?;
    if prompt.last_user_text.is_empty() {
        "(nothing)".clone_into(&mut prompt.last_user_text);
    }
    settings::read(&mut prompt, body)?;
    Ok(prompt)
}
