//! A request to Gemini.

use super::models::Model;
use super::{subset, thinking, write_contents, write_tools};
use crate::canonical::{OutputFormat, Request, Sampling, Text, write_texts};
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::conversation::{Turns, texts};
use crate::translate::policy::Feature;
use crate::translate::schema::{json_schema, write_json_schema};
use crate::translate::{How, Notes, Rejected, Target};

/// More are an error at the provider.
const STOP_LIMIT: usize = 5;

pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    out: &mut Vec<u8>,
) -> Result<(), Rejected> {
    let model = Model::of(target.model);
    let turns = Turns::of(&request.messages);
    let mut body = Object::begin(out);
    write_contents::write(request, &turns.turns, model, &mut body, notes)?;
    let in_words = format_in_words(request, model, notes);
    system(request, &turns, in_words.as_deref(), &mut body, notes)?;
    write_tools::write(request, model, &mut body, notes)?;
    let mut config = body.object("generationConfig");
    sampling(&request.sampling, &mut config, notes)?;
    if let Some(limit) = request.max_output_tokens {
        config.count("maxOutputTokens", limit);
    }
    stop(&request.stop, &mut config, notes)?;
    if in_words.is_none() {
        format(&request.format, model, &mut config, notes)?;
    }
    thinking::write(&request.reasoning, model, &mut config, notes)?;
    drop(config);
    let user = &request.user;
    for (is_said, feature) in [
        (user.id.is_some(), Feature::User),
        (user.cache_key.is_some(), Feature::CacheKey),
        (user.verbosity.is_some(), Feature::Verbosity),
    ] {
        if is_said {
            notes.allows(feature)?;
        }
    }
    Ok(())
}

/// Instructions, those from among the turns behind the others.
fn system(
    request: &Request<'_>,
    turns: &Turns<'_, '_>,
    format: Option<&str>,
    body: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let mut said: Vec<&Text<'_>> = texts(&request.system).filter(|text| !text.is_empty()).collect();
    let late = turns.late_system.iter().filter(|text| !text.is_empty());
    let before = said.len();
    said.extend(late);
    if said.len() > before {
        notes.allows(Feature::LateSystem)?;
    }
    if said.is_empty() && format.is_none() {
        return Ok(());
    }
    let mut instruction = body.object("systemInstruction");
    let mut parts = instruction.array("parts");
    for text in said {
        parts.object().text("text", text);
    }
    if let Some(format) = format {
        parts.object().string("text", format);
    }
    Ok(())
}

fn sampling(sampling: &Sampling<'_>, config: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    let Sampling { temperature, top_p, top_k, seed, frequency_penalty, presence_penalty, choices, log_probabilities } =
        sampling;
    for (name, number) in [("temperature", temperature), ("topP", top_p)] {
        if let Some(number) = number {
            config.value(name, *number);
        }
    }
    for (name, number, feature) in [("topK", top_k, Feature::TopK), ("seed", seed, Feature::Seed)] {
        match number {
            Some(number) if notes.allows(feature)? => {
                if name == "seed" {
                    write_seed(*number, config, notes);
                } else {
                    config.value(name, *number);
                }
            }
            _ => {}
        }
    }
    for (name, number, feature) in [
        ("frequencyPenalty", frequency_penalty, Feature::FrequencyPenalty),
        ("presencePenalty", presence_penalty, Feature::PresencePenalty),
    ] {
        let Some(number) = number else { continue };
        if !notes.allows(feature)? {
            continue;
        }
        // The range ends before 2 here, and with it elsewhere.
        if number.number().is_some_and(|number| number >= 2.0) {
            notes.add(feature.name(), How::Clamped);
            config.raw(name, "1.99");
        } else {
            config.value(name, *number);
        }
    }
    if let Some(choices) = choices.filter(|choices| *choices > 1)
        && notes.allows(Feature::Choices)?
    {
        config.count("candidateCount", choices);
    }
    if let Some(alternatives) = log_probabilities
        && notes.allows(Feature::LogProbabilities)?
    {
        config.boolean("responseLogprobs", true);
        if *alternatives > 0 {
            config.count("logprobs", *alternatives);
        }
    }
    Ok(())
}

/// A seed has 32 bits here.
fn write_seed(seed: Value<'_>, config: &mut Object<'_>, notes: &mut Notes) {
    match seed.raw().parse::<i64>() {
        Ok(wide) if i32::try_from(wide).is_err() => {
            notes.add(Feature::Seed.name(), How::Approximated);
            config.count("seed", wide.unsigned_abs() & 0x7fff_ffff);
        }
        _ => _ = config.value("seed", seed),
    }
}

fn stop(stop: &[Text<'_>], config: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    if stop.is_empty() || !notes.allows(Feature::Stop)? {
        return Ok(());
    }
    if stop.len() > STOP_LIMIT {
        return Err(Rejected::new("stop", format!("`stop`: this model's provider takes at most {STOP_LIMIT} texts")));
    }
    write_texts(&mut config.array("stopSequences"), stop);
    Ok(())
}

fn format(format: &OutputFormat<'_>, model: Model, config: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match format {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => {
            if notes.allows(Feature::JsonObject)? {
                config.string("responseMimeType", "application/json");
            }
        }
        OutputFormat::JsonSchema { schema, is_openapi, .. } => {
            if notes.allows(Feature::JsonSchema)? {
                config.string("responseMimeType", "application/json");
                write_schema(["responseSchema", "responseJsonSchema"], *schema, *is_openapi, model, config, notes)?;
            }
        }
    }
    Ok(())
}

/// A schema under one of two names: for one in Gemini's dialect, and for JSON Schema. Early models know the first only.
pub(super) fn write_schema(
    [dialect, json_schema]: [&str; 2],
    schema: Value<'_>,
    is_openapi: bool,
    model: Model,
    object: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    if is_openapi {
        object.value(dialect, schema);
    } else if model.takes_json_schema() {
        write_json_schema(object, json_schema, schema, false);
    } else if subset::write(object, dialect, schema)? {
        notes.add("tools.schema", How::Approximated);
    }
    Ok(())
}

/// Models that refuse a format of the answer beside tools are asked for it in words.
fn format_in_words(request: &Request<'_>, model: Model, notes: &mut Notes) -> Option<String> {
    if request.tools.is_empty() || model.combines_tools_and_schema() {
        return None;
    }
    let (feature, words) = match &request.format {
        OutputFormat::Text => return None,
        OutputFormat::JsonObject => {
            (Feature::JsonObject, "When you answer, answer with one JSON object and nothing else.".to_owned())
        }
        OutputFormat::JsonSchema { schema, is_openapi, .. } => (
            Feature::JsonSchema,
            format!(
                "When you answer, answer with JSON that follows this JSON Schema and nothing else: {}",
                json_schema(*schema, *is_openapi)
            ),
        ),
    };
    notes.add(feature.name(), How::Approximated);
    Some(words)
}
