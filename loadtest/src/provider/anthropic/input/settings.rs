//! Everything of a Messages request besides its messages.

use std::collections::HashSet;

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::prompt::{Format, Prompt, ToolChoice, strings};
use super::block::{cache, is_tool_name};
use super::invalid;

const MIN_THINKING_TOKENS: u64 = 1024;
const MAX_CACHE_POINTS: usize = 4;
const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];
/// Models from these families on take one of `temperature` and `top_p`.
const ONE_SAMPLER: [&str; 4] = ["claude-opus-4-1", "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"];

pub(super) fn read(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    cache(prompt, body);
    let found = cache_points(body);
    if found > MAX_CACHE_POINTS {
        return Err(invalid(format!(
            "A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {found}."
        )));
    }
    prompt.stop = strings(body.get("stop_sequences"));
    if prompt.stop.iter().any(|stop| stop.trim().is_empty()) {
        return Err(invalid("stop_sequences: each stop sequence must contain non-whitespace"));
    }
    prompt.max_output_tokens = body.get("max_tokens").and_then(Value::as_u64);
    tools(prompt, body)?;
    choice(prompt, body)?;
    output(prompt, body)?;
    sampling(prompt, body)?;
    thinking(prompt, body)
}

fn cache_points(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "cache_control" => usize::from(value.is_object()),
                // What callers put there is their own.
                "input" | "input_schema" | "metadata" | "output_config" => 0,
                _ => cache_points(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(cache_points).sum(),
        _ => 0,
    }
}

fn tools(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let mut names = HashSet::new();
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        cache(prompt, tool);
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("custom");
        // Sets of tools have no name of their own.
        if kind.contains("toolset") {
            continue;
        }
        let at = format!("tools.{index}.{kind}");
        let name = tool.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| invalid(format!("{at}.name: Field required")))?;
        if !names.insert(name) {
            return Err(invalid("tools: Tool names must be unique."));
        }
        // Tools that run at the provider have a type of their own and no schema.
        if kind != "custom" {
            continue;
        }
        if !is_tool_name(name) {
            return Err(invalid(format!("{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")));
        }
        let Some(schema) = tool.get("input_schema").filter(|schema| schema.is_object()) else {
            return Err(invalid(format!("{at}.input_schema: Field required")));
        };
        match schema.get("type") {
            None if !prompt.profile.strict => {}
            Some(kind) if kind == "object" => {}
            None => return Err(invalid(format!("{at}.input_schema.type: Field required"))),
            Some(_) => return Err(invalid(format!("{at}.input_schema.type: Input should be 'object'"))),
        }
        prompt.tool(name, Some(schema));
    }
    Ok(())
}

fn choice(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(()) };
    if !choice.is_object() {
        return Err(invalid("tool_choice: Input should be a valid dictionary"));
    }
    let text = |name: &str| choice.get(name).and_then(Value::as_str);
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(invalid("tool_choice may only be specified while providing tools"));
    }
    prompt.tool_choice = match (text("type").unwrap_or_default(), text("name")) {
        ("auto", _) => ToolChoice::Auto,
        ("none", _) => ToolChoice::None,
        ("any", _) => ToolChoice::Required,
        ("tool", Some(name)) => ToolChoice::Named(name.to_owned()),
        ("tool", None) => return Err(invalid("tool_choice.tool.name: Field required")),
        (other, _) => {
            return Err(invalid(format!(
                "tool_choice: Input tag '{other}' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'"
            )));
        }
    };
    if let ToolChoice::Named(name) = &prompt.tool_choice {
        let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
        if !tools.into_iter().any(|tool| tool.get("name").and_then(Value::as_str) == Some(name)) {
            return Err(invalid(format!("Tool '{name}' not found in provided tools")));
        }
    }
    prompt.parallel_allowed = choice.get("disable_parallel_tool_use").and_then(Value::as_bool) != Some(true);
    Ok(())
}

fn output(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let Some(config) = body.get("output_config").filter(|config| !config.is_null()) else { return Ok(()) };
    if let Some(effort) = config.get("effort").filter(|effort| !effort.is_null())
        && !effort.as_str().is_some_and(|effort| EFFORTS.contains(&effort))
    {
        return Err(invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"));
    }
    let Some(format) = config.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    if format.get("type").and_then(Value::as_str) != Some("json_schema") {
        return Err(invalid("output_config.format.type: Input should be 'json_schema'"));
    }
    let schema = format.get("schema").filter(|schema| schema.is_object());
    let schema = schema.ok_or_else(|| invalid("output_config.format.schema: Field required"))?;
    closed(schema)?;
    prompt.format = Format::JsonSchema(schema.clone());
    Ok(())
}

/// Objects of a structured answer must say that they have no other members.
fn closed(schema: &Value) -> Result<(), ApiError> {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("type").and_then(Value::as_str) == Some("object");
            if is_object && fields.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Err(invalid(
                    "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
                ));
            }
            fields.values().try_for_each(closed)
        }
        Value::Array(items) => items.iter().try_for_each(closed),
        _ => Ok(()),
    }
}

fn sampling(prompt: &Prompt, body: &Value) -> Result<(), ApiError> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    for name in ["temperature", "top_p"] {
        match given(name).map(Value::as_f64) {
            None => {}
            Some(Some(number)) if (0.0..=1.0).contains(&number) => {}
            Some(Some(_)) => return Err(invalid(format!("{name}: range: 0..1"))),
            Some(None) => return Err(invalid(format!("{name}: Input should be a valid number"))),
        }
    }
    if given("top_k").is_some_and(|top| top.as_u64().is_none()) {
        return Err(invalid("top_k: Input should be greater than or equal to 0"));
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let one = ONE_SAMPLER.iter().any(|family| model.starts_with(family));
    if prompt.profile.strict && one && given("temperature").is_some() && given("top_p").is_some() {
        return Err(invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one."));
    }
    Ok(())
}

fn thinking(prompt: &mut Prompt, body: &Value) -> Result<(), ApiError> {
    let Some(thinking) = body.get("thinking").filter(|thinking| !thinking.is_null()) else { return Ok(()) };
    match thinking.get("type").and_then(Value::as_str).unwrap_or_default() {
        "enabled" => {
            let budget = thinking.get("budget_tokens").filter(|budget| !budget.is_null());
            let budget = budget.ok_or_else(|| invalid("thinking.enabled.budget_tokens: Field required"))?;
            let budget = budget.as_u64().unwrap_or(0);
            if budget < MIN_THINKING_TOKENS {
                return Err(invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"));
            }
            if prompt.max_output_tokens.is_some_and(|limit| limit <= budget) {
                return Err(invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
            compatible(prompt, body)?;
            began_with_thinking(body)?;
            prompt.reasoning = true;
        }
        "adaptive" => {
            compatible(prompt, body)?;
            prompt.reasoning = true;
        }
        "disabled" | "between_tools" => prompt.reasoning = false,
        other => {
            return Err(invalid(format!(
                "thinking: Input tag '{other}' found using 'type' does not match any of the expected tags: 'adaptive', 'between_tools', 'disabled', 'enabled'"
            )));
        }
    }
    Ok(())
}

/// What does not go together with thinking.
fn compatible(prompt: &Prompt, body: &Value) -> Result<(), ApiError> {
    let number = |name: &str| body.get(name).and_then(Value::as_f64);
    if number("temperature").is_some_and(|temperature| temperature < 1.0) {
        return Err(invalid("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if number("top_p").is_some_and(|top| top < 0.95) {
        return Err(invalid("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."));
    }
    if number("top_k").is_some() {
        return Err(invalid("`top_k` must be unset when thinking is enabled."));
    }
    if matches!(prompt.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) {
        return Err(invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(())
}

/// While results of calls are brought back, the message with the calls begins with its thinking.
fn began_with_thinking(body: &Value) -> Result<(), ApiError> {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [.., before, last] = messages else { return Ok(()) };
    let kind = |message: &Value| message.pointer("/content/0/type").and_then(Value::as_str).map(str::to_owned);
    let Some(first) = kind(before).filter(|_| kind(last).as_deref() == Some("tool_result")) else { return Ok(()) };
    if first == "thinking" || first == "redacted_thinking" {
        return Ok(());
    }
    Err(invalid(format!(
        "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks).",
        messages.len() - 2
    )))
}
