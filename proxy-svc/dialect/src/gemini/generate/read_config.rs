//! `generationConfig` of a caller's request.

use super::members::{members, settle};
use crate::canonical::{Effort, OutputFormat, ReasoningRequest, Request};
use crate::json::Value;
use crate::translate::{Note, Rejected, read};

/// What the shape of the answer is made of.
#[derive(Default)]
struct Shape<'a> {
    is_json: bool,
    schema: Option<(Value<'a>, bool)>,
}

pub(super) fn read<'a>(config: Value<'a>, request: &mut Request<'a>, notes: &mut Vec<Note>) -> Result<(), Rejected> {
    let mut shape = Shape::default();
    let (mut wants_probabilities, mut alternatives) = (false, 0);
    for (name, value) in members("", config)? {
        let sampling = &mut request.sampling;
        match &*name {
            "temperature" => sampling.temperature = Some(read::number(&name, value)?),
            "topP" => sampling.top_p = Some(read::number(&name, value)?),
            "topK" => sampling.top_k = Some(whole(read::number(&name, value)?)),
            "seed" => sampling.seed = Some(whole(read::number(&name, value)?)),
            "presencePenalty" => sampling.presence_penalty = Some(read::number(&name, value)?),
            "frequencyPenalty" => sampling.frequency_penalty = Some(read::number(&name, value)?),
            "candidateCount" => sampling.choices = Some(read::count(&name, value)?).filter(|count| *count > 0),
            "responseLogprobs" => wants_probabilities = read::boolean(&name, value)?,
            "logprobs" => alternatives = read::count(&name, value)?,
            "maxOutputTokens" => request.max_output_tokens = Some(read::count(&name, value)?),
            "stopSequences" => request.stop = read::list(&name, value, |text| read::text("", text))?,
            "responseMimeType" => shape.is_json = is_json(&name, value)?,
            "responseSchema" => shape.schema = Some((read::object(&name, value)?, true)),
            // The name with the line in front is of the API's first days.
            "responseJsonSchema" | "_responseJsonSchema" => shape.schema = Some((read::object(&name, value)?, false)),
            "thinkingConfig" => {
                let read = thinking(value, &mut request.reasoning, notes);
                read.map_err(|rejected| rejected.inside(&name))?;
            }
            "responseModalities" => _ = read::list(&name, value, modality)?,
            _ => settle("generationConfig", &name, value, notes)?,
        }
    }
    request.sampling.log_probabilities = wants_probabilities.then_some(alternatives);
    request.format = match shape.schema {
        Some((schema, is_openapi)) => {
            OutputFormat::JsonSchema { name: None, description: None, schema, is_openapi, strict: None }
        }
        None if shape.is_json => OutputFormat::JsonObject,
        None => OutputFormat::Text,
    };
    Ok(())
}

/// Google's Python SDK writes whole numbers as `40.0`, which not all providers take.
fn whole(number: Value<'_>) -> Value<'_> {
    let raw = number.raw();
    let digits = raw.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'));
    digits.and_then(|(digits, _)| Value::parse(digits.as_bytes()).ok()).unwrap_or(number)
}

fn is_json(name: &str, value: Value<'_>) -> Result<bool, Rejected> {
    match &*read::string(name, value)?.to_ascii_lowercase() {
        "" | "text/plain" => Ok(false),
        "application/json" => Ok(true),
        "text/x.enum" => Err(Rejected::new(
            name,
            format!("`{name}` `text/x.enum` cannot be translated: answers elsewhere are text or JSON"),
        )),
        _ => Err(Rejected::new(name, format!("`{name}` must be `text/plain` or `application/json`"))),
    }
}

fn modality(value: Value<'_>) -> Result<(), Rejected> {
    match &*read::string("", value)?.to_ascii_uppercase() {
        "TEXT" | "MODALITY_UNSPECIFIED" => Ok(()),
        _ => Err(Rejected::new("", "only text can be answered by this model's provider")),
    }
}

fn thinking<'a>(
    config: Value<'a>,
    reasoning: &mut ReasoningRequest<'a>,
    notes: &mut Vec<Note>,
) -> Result<(), Rejected> {
    // They are hidden here unless the caller asks for them.
    reasoning.visible = Some(false);
    for (name, value) in members("", config)? {
        match &*name {
            "includeThoughts" => reasoning.visible = Some(read::boolean(&name, value)?),
            "thinkingBudget" => match read::number(&name, value)?.number() {
                // As much as the model likes.
                Some(budget) if budget < 0.0 => reasoning.enabled = Some(true),
                _ => {
                    let budget = read::count(&name, value)?;
                    reasoning.enabled = Some(budget > 0);
                    reasoning.budget = (budget > 0).then_some(budget);
                }
            },
            "thinkingLevel" => reasoning.effort = level(&name, value)?,
            _ => settle("generationConfig.thinkingConfig", &name, value, notes)?,
        }
    }
    Ok(())
}

fn level(name: &str, value: Value<'_>) -> Result<Option<Effort>, Rejected> {
    Ok(Some(match &*read::string(name, value)?.to_ascii_uppercase() {
        "MINIMAL" => Effort::Minimal,
        "LOW" => Effort::Low,
        "MEDIUM" => Effort::Medium,
        "HIGH" => Effort::High,
        "XHIGH" => Effort::ExtraHigh,
        "THINKING_LEVEL_UNSPECIFIED" => return Ok(None),
        _ => return Err(Rejected::new(name, format!("`{name}` must be `MINIMAL`, `LOW`, `MEDIUM` or `HIGH`"))),
    }))
}
