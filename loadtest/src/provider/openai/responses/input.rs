//! Reading a Responses request, with the rules that the real endpoint enforces.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::exchange::Context;
use super::super::super::profile::Profile;
use super::super::super::prompt::Prompt;
use super::super::rules::{missing, unknown_word};
use super::super::{picture, stored};
use super::reasoning;

mod settings;

const BY_USER: [&str; 4] = ["input_text", "input_image", "input_file", "input_audio"];
const BY_ASSISTANT: [&str; 2] = ["output_text", "refusal"];
/// Besides messages, reasoning, and the calls and outputs that belong together.
const OTHER_KINDS: [&str; 25] = [
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "web_search_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "configuration_update",
    "compaction",
    "compaction_trigger",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "item_reference",
    "program",
    "program_output",
];

pub(super) fn prompt(context: &Context, body: &Value, profile: Profile, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let mut prompt = Prompt::new(profile, bytes);
    prompt.text(body.get("instructions").and_then(Value::as_str).unwrap_or_default());
    match body.get("input") {
        Some(Value::String(text)) => {
            prompt.user_text(text);
            prompt.messages = 1;
        }
        Some(Value::Array(items)) if !items.is_empty() => Items::read(context, &mut prompt, body, items)?,
        _ => return Err(missing("input")),
    }
    settings::read(&mut prompt, body)?;
    Ok(prompt)
}

/// Whether `include` asks for this.
pub(super) fn includes(body: &Value, what: &str) -> bool {
    body.get("include").and_then(Value::as_array).is_some_and(|list| list.iter().any(|item| item == what))
}

/// What is known while the items of the input are read in order.
struct Items<'a> {
    context: &'a Context,
    /// Earlier turns lie at the provider, so calls and items may be answered that are not here.
    continued: bool,
    stored_here: bool,
    open_calls: Vec<&'a str>,
    /// A reasoning item waits for what it led to.
    reasoning: Option<&'a str>,
}

impl<'a> Items<'a> {
    fn read(context: &'a Context, prompt: &mut Prompt, body: &Value, items: &'a [Value]) -> Result<(), ApiError> {
        let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
        let mut this = Self {
            context,
            continued: given("previous_response_id") || given("conversation"),
            stored_here: body.get("store") != Some(&Value::Bool(false)),
            open_calls: Vec::new(),
            reasoning: None,
        };
        for (index, item) in items.iter().enumerate() {
            this.item(prompt, item, &format!("input[{index}]"))?;
        }
        if let Some(id) = this.reasoning {
            return Err(lonely(id));
        }
        match this.open_calls.first() {
            Some(id) => Err(ApiError::invalid("input", format!("No tool output found for function call {id}."))),
            None => Ok(()),
        }
    }

    fn item(&mut self, prompt: &mut Prompt, item: &'a Value, at: &str) -> Result<(), ApiError> {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let kind = text("type").unwrap_or(if item.get("role").is_some() { "message" } else { "item_reference" });
        prompt.messages += 1;
        prompt.ends_with_tool_result = matches!(kind, "function_call_output" | "custom_tool_call_output");
        if kind == "message" {
            if text("role") == Some("assistant") {
                starts(item, at, "msg")?;
                self.reasoning = None;
            }
            self.reasoning.map_or(Ok(()), |id| Err(lonely(id)))?;
            return message(self.context, prompt, item, at);
        }
        prompt.text_bytes += item.to_string().len();
        match kind {
            "reasoning" => {
                reasoning::check(self.context, item, self.stored_here, at)?;
                self.reasoning = text("id");
            }
            "function_call" | "custom_tool_call" => {
                self.reasoning = None;
                starts(item, at, if kind == "function_call" { "fc" } else { "ctc" })?;
                let field = if kind == "function_call" { "arguments" } else { "input" };
                for name in ["call_id", "name", field] {
                    text(name).ok_or_else(|| missing(&format!("{at}.{name}")))?;
                }
                self.open_calls.extend(text("call_id"));
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = text("call_id").ok_or_else(|| missing(&format!("{at}.call_id")))?;
                item.get("output").ok_or_else(|| missing(&format!("{at}.output")))?;
                let before = self.open_calls.len();
                self.open_calls.retain(|open| *open != id);
                if before == self.open_calls.len() && !self.continued {
                    let message = format!("No tool call found for function call output with call_id {id}.");
                    return Err(ApiError::invalid("input", message));
                }
            }
            other if OTHER_KINDS.contains(&other) => self.reasoning = None,
            other => {
                return Err(unknown_word(other, at, &OTHER_KINDS));
            }
        }
        Ok(())
    }
}

/// An item's own id, where it is given, tells its kind.
fn starts(item: &Value, at: &str, prefix: &str) -> Result<(), ApiError> {
    match item.get("id").and_then(Value::as_str) {
        Some(id) if !id.starts_with(prefix) => {
            let message = format!("Invalid '{at}.id': '{id}'. Expected an ID that begins with '{prefix}'.");
            Err(ApiError::invalid(format!("{at}.id"), message).code("invalid_value"))
        }
        _ => Ok(()),
    }
}

fn lonely(id: &str) -> ApiError {
    let message = format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
    ApiError::invalid("input", message)
}

fn message(context: &Context, prompt: &mut Prompt, item: &Value, at: &str) -> Result<(), ApiError> {
    let role = item.get("role").and_then(Value::as_str).ok_or_else(|| missing(&format!("{at}.role")))?;
    let kinds: &[&str] = match role {
        "user" | "system" | "developer" => &BY_USER,
        "assistant" => &BY_ASSISTANT,
        other => {
            let known = ["assistant", "system", "developer", "user"];
            return Err(unknown_word(other, &format!("{at}.role"), &known));
        }
    };
    let by_user = role == "user";
    if by_user {
        prompt.last_user_text.clear();
    }
    let say = |prompt: &mut Prompt, text: &str| if by_user { prompt.user_text(text) } else { prompt.text(text) };
    match item.get("content") {
        Some(Value::String(text)) => say(prompt, text),
        Some(Value::Array(parts)) => {
            for (index, part) in parts.iter().enumerate() {
                let at = format!("{at}.content[{index}]");
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                if !kinds.contains(&kind) {
                    return Err(unknown_word(kind, &at, kinds));
                }
                match kind {
                    "input_image" | "input_file" => {
                        stored::check_file(context, part.get("file_id"))?;
                        file(part, kind, &at)?;
                        prompt.images += 1;
                    }
                    "input_audio" => prompt.audios += 1,
                    _ => {
                        let field = if kind == "refusal" { "refusal" } else { "text" };
                        let text = part.get(field).and_then(Value::as_str);
                        say(prompt, text.ok_or_else(|| missing(&format!("{at}.{field}")))?);
                    }
                }
            }
        }
        _ => return Err(missing(&format!("{at}.content"))),
    }
    Ok(())
}

fn file(part: &Value, kind: &str, at: &str) -> Result<(), ApiError> {
    let sources: &[&str] =
        if kind == "input_image" { &["image_url", "file_id"] } else { &["file_data", "file_id", "file_url"] };
    if let Some(url) = part.get("image_url").and_then(Value::as_str) {
        return picture::check(url, &format!("{at}.image_url"));
    }
    if sources.iter().any(|source| part.get(source).is_some_and(Value::is_string)) {
        return Ok(());
    }
    Err(missing(&format!("{at}.{}", sources[0])))
}
