//! Reading a Messages request, with the rules that the real endpoint enforces.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::plan::Protocol;
use super::super::prompt::{CacheWish, Format, Prompt, ToolChoice, strings};
use super::super::signature;

const MIN_THINKING_TOKENS: u64 = 1024;

const THINKING: &str = "thinking-of-the-block-it-came-with";
const REDACTED: &str = "redacted-thinking";

/// The proof that a thinking block is one of ours and unchanged.
pub(super) fn signature(thinking: &str) -> String {
    signature::sign(THINKING, thinking)
}

/// Thinking that only the provider can read.
pub(super) fn redacted(thinking: &str) -> String {
    signature::sign(REDACTED, thinking)
}

pub(super) fn prompt(context: &Context, body: &Value, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let model = body.get("model").and_then(Value::as_str).filter(|name| !name.is_empty());
    let model = model.ok_or_else(|| ApiError::new(400, "model: Field required"))?;
    let profile = context.profile(model);
    if profile.unknown {
        return Err(ApiError::model_not_found(Protocol::Anthropic, model));
    }
    let mut prompt = Prompt::new(profile, bytes);
    if let Some(system) = body.get("system") {
        blocks(&mut prompt, system, "system", &mut Tools::default())?;
    }
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| ApiError::new(400, "messages: Field required"))?;
    if messages.is_empty() {
        return Err(ApiError::new(400, "messages: at least one message is required"));
    }
    let mut tools = Tools::default();
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let at = format!("messages.{index}");
        match role {
            "user" => prompt.last_user_text.clear(),
            "assistant" => {}
            _ => {
                let message = format!(
                    "{at}: Input should be 'user' or 'assistant' but role was '{role}'; use the top-level `system` parameter"
                );
                return Err(ApiError::new(400, message));
            }
        }
        prompt.messages += 1;
        tools.turn(role, &at)?;
        let content =
            message.get("content").ok_or_else(|| ApiError::new(400, format!("{at}.content: Field required")))?;
        tools.by_user = role == "user";
        blocks(&mut prompt, content, &format!("{at}.content"), &mut tools)?;
        tools.answered(&at)?;
    }
    prompt.ends_with_tool_result = tools.results_in_turn > 0;
    settings(&mut prompt, body)?;
    Ok(prompt)
}

/// Which calls wait for their results.
#[derive(Debug, Default)]
struct Tools {
    by_user: bool,
    open: Vec<String>,
    results_in_turn: usize,
    others_in_turn: usize,
}

impl Tools {
    fn turn(&mut self, role: &str, at: &str) -> Result<(), ApiError> {
        self.results_in_turn = 0;
        self.others_in_turn = 0;
        if role == "assistant" && !self.open.is_empty() {
            return Err(self.unanswered(at));
        }
        Ok(())
    }

    fn unanswered(&self, at: &str) -> ApiError {
        ApiError::new(
            400,
            format!(
                "{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                self.open.join(", ")
            ),
        )
    }

    fn answered(&self, at: &str) -> Result<(), ApiError> {
        if self.by_user && !self.open.is_empty() { Err(self.unanswered(at)) } else { Ok(()) }
    }
}

fn blocks(prompt: &mut Prompt, content: &Value, at: &str, tools: &mut Tools) -> Result<(), ApiError> {
    match content {
        Value::String(text) if tools.by_user => prompt.user_text(text),
        Value::String(text) => prompt.text(text),
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                cache(prompt, one);
                block(prompt, one, &format!("{at}.{index}"), tools)?;
            }
        }
        _ => return Err(ApiError::new(400, format!("{at}: Input should be a valid string or list"))),
    }
    Ok(())
}

fn block(prompt: &mut Prompt, block: &Value, at: &str, tools: &mut Tools) -> Result<(), ApiError> {
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    if kind == "tool_result" {
        tools.results_in_turn += 1;
        if tools.others_in_turn > 0 {
            return Err(ApiError::new(400, format!("{at}: `tool_result` blocks must come first in a message")));
        }
        let id = text("tool_use_id");
        let before = tools.open.len();
        tools.open.retain(|open| open != id);
        if before == tools.open.len() {
            return Err(ApiError::new(
                400,
                format!(
                    "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                ),
            ));
        }
        prompt.text_bytes += block.get("content").map_or(0, |content| content.to_string().len());
        return Ok(());
    }
    tools.others_in_turn += 1;
    match kind {
        "text" if text("text").trim().is_empty() => {
            Err(ApiError::new(400, format!("{at}: text content blocks must contain non-whitespace text")))
        }
        "text" if tools.by_user => {
            prompt.user_text(text("text"));
            Ok(())
        }
        "text" => {
            prompt.text(text("text"));
            Ok(())
        }
        "image" | "document" => image(prompt, block, at),
        "tool_use" => {
            if !block.get("input").is_some_and(Value::is_object) {
                return Err(ApiError::new(400, format!("{at}.tool_use.input: Input should be a valid dictionary")));
            }
            prompt.text_bytes += block.to_string().len();
            tools.open.push(text("id").to_owned());
            Ok(())
        }
        "thinking" if !signature::signs(THINKING, text("thinking"), text("signature")) => {
            Err(ApiError::new(400, format!("{at}: Invalid `signature` in `thinking` block")))
        }
        "redacted_thinking" if !signature::is_ours(REDACTED, text("data")) => {
            Err(ApiError::new(400, format!("{at}: Invalid `data` in `redacted_thinking` block")))
        }
        "thinking" | "redacted_thinking" | "server_tool_use" | "search_result" | "container_upload" => {
            prompt.text_bytes += block.to_string().len();
            Ok(())
        }
        other if other.ends_with("_tool_result") => Ok(()),
        other => Err(ApiError::new(
            400,
            format!("{at}: Input tag '{other}' found using 'type' does not match any of the expected tags"),
        )),
    }
}

fn image(prompt: &mut Prompt, block: &Value, at: &str) -> Result<(), ApiError> {
    let source = |name: &str| block.pointer(&format!("/source/{name}")).and_then(Value::as_str);
    match source("type") {
        Some("base64") => {
            let media = source("media_type").unwrap_or_default();
            let known = ["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"].contains(&media);
            if !known {
                return Err(ApiError::new(
                    400,
                    format!(
                        "{at}.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                    ),
                ));
            }
            if STANDARD.decode(source("data").unwrap_or_default()).is_err() {
                return Err(ApiError::new(400, format!("{at}.source.base64.data: invalid base64 data")));
            }
        }
        Some("url" | "file" | "text" | "content") => {}
        _ => return Err(ApiError::new(400, format!("{at}.source: Field required"))),
    }
    prompt.images += 1;
    Ok(())
}

fn cache(prompt: &mut Prompt, block: &Value) {
    if let Some(control) = block.get("cache_control").filter(|control| control.is_object()) {
        let hour = control.get("ttl").and_then(Value::as_str) == Some("1h");
        let CacheWish { five_minutes, one_hour } = &mut prompt.cache;
        *(if hour { one_hour } else { five_minutes }) = true;
    }
}

fn settings(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    cache(prompt, body);
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        cache(prompt, tool);
        let name = tool.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| ApiError::new(400, format!("tools.{index}.name: Field required")))?;
        // Tools that run at the provider have a type of their own and no schema.
        if tool.get("type").and_then(Value::as_str).is_none_or(|kind| kind == "custom") {
            if !tool.get("input_schema").is_some_and(Value::is_object) {
                return Err(ApiError::new(400, format!("tools.{index}.custom.input_schema: Field required")));
            }
            prompt.tool(name, tool.get("input_schema"));
        }
    }
    let choice = |name: &str| body.pointer(&format!("/tool_choice/{name}")).and_then(Value::as_str);
    prompt.tool_choice = match (choice("type"), choice("name")) {
        (Some("none"), _) => ToolChoice::None,
        (Some("any"), _) => ToolChoice::Required,
        (Some("tool"), Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => ToolChoice::Auto,
    };
    let serial = body.pointer("/tool_choice/disable_parallel_tool_use").and_then(Value::as_bool);
    prompt.parallel_allowed = serial != Some(true);
    if body.pointer("/output_config/format/type").and_then(Value::as_str) == Some("json_schema") {
        prompt.format = Format::JsonSchema(body.pointer("/output_config/format/schema").cloned().unwrap_or_default());
    }
    prompt.stop = strings(body.get("stop_sequences"));
    prompt.max_output_tokens = body.get("max_tokens").and_then(Value::as_u64);
    thinking(prompt, body)
}

fn thinking(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let temperature = body.get("temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|temperature| !(0.0..=1.0).contains(&temperature)) {
        return Err(ApiError::new(400, "temperature: range: 0..1"));
    }
    match body.pointer("/thinking/type").and_then(Value::as_str) {
        Some("enabled") => {
            let budget = body.pointer("/thinking/budget_tokens").and_then(Value::as_u64).unwrap_or(0);
            if budget < MIN_THINKING_TOKENS {
                return Err(ApiError::new(
                    400,
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                ));
            }
            if prompt.max_output_tokens.is_some_and(|limit| limit <= budget) {
                return Err(ApiError::new(400, "`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
            if temperature.is_some_and(|temperature| temperature < 1.0) {
                return Err(ApiError::new(400, "`temperature` may only be set to 1 when thinking is enabled."));
            }
            prompt.reasoning = true;
        }
        Some("adaptive") => prompt.reasoning = true,
        Some("disabled") => prompt.reasoning = false,
        _ => {}
    }
    Ok(())
}
