//! The generation configuration.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::members::snake;
use super::super::super::prompt::{Format, Prompt, strings};
use super::{field, invalid, schema};

const MAX_CANDIDATES: f64 = 8.0;
const MAX_LOGPROBS: f64 = 20.0;
const MAX_OUTPUT_TOKENS: f64 = 2_147_483_647.0;
const MAX_STOPS: usize = 5;
const LEVELS: [&str; 5] = ["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"];
const JSON: &str = "application/json";

pub(super) fn read(model: &str, prompt: &mut Prompt, config: &Value) -> Result<(), ApiError> {
    within(config, "temperature", 0.0, 2.0)?;
    within(config, "topP", 0.0, 1.0)?;
    within(config, "topK", 1.0, 1_000.0)?;
    within(config, "candidateCount", 1.0, MAX_CANDIDATES)?;
    within(config, "maxOutputTokens", 1.0, MAX_OUTPUT_TOKENS)?;
    within(config, "logprobs", 0.0, MAX_LOGPROBS)?;
    within(config, "presencePenalty", -2.0, 2.0)?;
    within(config, "frequencyPenalty", -2.0, 2.0)?;
    prompt.max_output_tokens = whole(config, "maxOutputTokens");
    prompt.choices = whole(config, "candidateCount").unwrap_or(1);
    prompt.stop = strings(field(config, "stopSequences"));
    if prompt.stop.len() > MAX_STOPS {
        return Err(invalid(format!(
            "* GenerateContentRequest.generation_config.stop_sequences: at most {MAX_STOPS} stop sequences are allowed.\n"
        )));
    }
    if prompt.stop.iter().any(String::is_empty) {
        return Err(invalid("* GenerateContentRequest.generation_config.stop_sequences: must not be empty.\n"));
    }
    let alternatives = whole(config, "logprobs");
    if field(config, "responseLogprobs").and_then(Value::as_bool) == Some(true) {
        prompt.log_probabilities = Some(alternatives.unwrap_or(0));
    } else if alternatives.is_some() {
        return Err(invalid("Logprobs may only be set when response_logprobs is true."));
    }
    format(prompt, config)?;
    match field(config, "thinkingConfig") {
        Some(thinking) => self::thinking(model, prompt, thinking),
        None => Ok(()),
    }
}

/// A number, which protobuf's JSON also takes as a string.
fn number(config: &Value, name: &str) -> Option<f64> {
    let value = field(config, name)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn whole(config: &Value, name: &str) -> Option<u64> {
    let value = field(config, name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn within(config: &Value, name: &str, low: f64, high: f64) -> Result<(), ApiError> {
    let given = field(config, name).is_some_and(|value| !value.is_null());
    if !given || number(config, name).is_some_and(|number| (low..=high).contains(&number)) {
        return Ok(());
    }
    Err(invalid(format!(
        "* GenerateContentRequest.generation_config.{}: {} must be in the range [{low}, {high}].\n",
        snake(name),
        snake(name)
    )))
}

fn format(prompt: &mut Prompt, config: &Value) -> Result<(), ApiError> {
    let given = |name: &str| field(config, name).filter(|value| !value.is_null());
    let (classic, full) = (given("responseSchema"), given("responseJsonSchema"));
    if let Some(schema) = classic {
        schema::check(schema, "generation_config.response_schema")?;
    }
    if classic.is_some() && full.is_some() {
        return Err(invalid(
            "* GenerateContentRequest.generation_config: only one of response_schema and response_json_schema may be set.\n",
        ));
    }
    let media = given("responseMimeType").and_then(Value::as_str).unwrap_or("text/plain");
    match media {
        JSON => {
            let schema = full.or(classic);
            prompt.format = schema.map_or(Format::JsonObject, |schema| Format::JsonSchema(schema.clone()));
        }
        "text/x.enum" if classic.is_some() => {}
        "text/plain" if classic.is_some() || full.is_some() => {
            return Err(invalid(
                "* GenerateContentRequest.generation_config.response_schema: only allowed with response_mime_type application/json.\n",
            ));
        }
        "text/plain" => {}
        other => {
            return Err(invalid(format!(
                "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`, but got `{other}`.\n"
            )));
        }
    }
    Ok(())
}

fn thinking(model: &str, prompt: &mut Prompt, thinking: &Value) -> Result<(), ApiError> {
    let budget = field(thinking, "thinkingBudget").filter(|value| !value.is_null());
    let level = field(thinking, "thinkingLevel").filter(|value| !value.is_null());
    if budget.is_some() && level.is_some() {
        return Err(invalid("You can only set only one of thinking budget and thinking level."));
    }
    let budget = match budget {
        Some(_) => match number(thinking, "thinkingBudget") {
            Some(budget) if (-1.0..=32_768.0).contains(&budget) => Some(budget),
            _ => {
                return Err(invalid("The thinking budget is invalid. Please choose a value between -1 and 32768."));
            }
        },
        None => None,
    };
    if let Some(level) = level {
        if !level.as_str().is_some_and(|level| LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))) {
            return Err(invalid(format!(
                "Invalid value at 'generation_config.thinking_config.thinking_level' (type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingConfig.ThinkingLevel), {level}"
            )));
        }
        if model.starts_with("gemini-2") {
            return Err(invalid("Thinking level is not supported for this model."));
        }
    }
    prompt.profile.reasoning_content = field(thinking, "includeThoughts").and_then(Value::as_bool) == Some(true);
    prompt.reasoning = match budget {
        Some(budget) => budget != 0.0,
        None => prompt.reasoning || level.is_some() || prompt.profile.reasoning_content,
    };
    Ok(())
}
