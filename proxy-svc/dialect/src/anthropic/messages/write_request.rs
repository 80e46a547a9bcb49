//! A request for an upstream that speaks Messages.

use crate::canonical::{Block, CacheControl, OutputFormat, Request, Sampling as Asked, Text, Value};
use crate::json::write::Object;
use crate::translate::conversation::Turns;
use crate::translate::policy::Feature;
use crate::translate::schema::json_schema;
use crate::translate::{How, Notes, Rejected, Target};

use super::arrange;
use super::blocks::{write_message, write_text};
use super::models::{Model, Sampling};
use super::schema;
use super::thinking::{History, Plan};
use super::write_tools::Tools;

/// Asks for what cannot be enforced.
const JSON_OBJECT: &str =
    "Answer with one JSON object and nothing else: no text before or behind it, and no code fence around it.";
const JSON_SCHEMA: &str = "The object must be valid against this JSON schema:";

pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    out: &mut Vec<u8>,
) -> Result<(), Rejected> {
    if request.messages.is_empty() && request.system.is_empty() {
        return Err(Rejected::missing("messages"));
    }
    settle(request, notes)?;
    let model = Model::named(target.model);
    let turns = Turns::of(&request.messages);
    let format = Format::of(&request.format, &model, notes)?;
    let mut tools = Tools::of(request, notes)?;
    let mut messages = arrange::arrange(&turns, notes)?;
    let takes_prefill = model.takes_prefill && format.enforced.is_none();
    let history = History {
        lacks_thoughts: arrange::lacks_thoughts(&messages),
        ends_with_prefill: takes_prefill && messages.last().is_some_and(|last| last.is_assistant),
        forces_tool: tools.are_forced(),
    };
    let plan = Plan::of(request, target, &model, history, notes)?;
    arrange::end(&mut messages, takes_prefill, plan.thinks(), notes);
    if tools.are_forced() && (plan.thinks() || !model.takes_forced_tools()) {
        tools.ask_only(notes);
    }

    let mut object = Object::begin(out);
    object.string("model", target.model).count("max_tokens", plan.max_tokens);
    plan.write(&mut object);
    format.write(&mut object, plan.effort);
    write_sampling(&request.sampling, &model, plan.thinks(), &mut object, notes)?;
    write_stop(&request.stop, &mut object, notes)?;
    write_user(request, &mut object, notes)?;
    if request.stream {
        object.boolean("stream", true);
    }
    write_system(request, &turns, format.instruction.as_deref(), &mut object, notes)?;
    tools.write(&mut object, &model, notes)?;
    let mut array = object.array("messages");
    messages.iter().try_for_each(|message| write_message(message, &mut array, notes))
}

/// What Anthropic's protocol has no word for, whatever the model.
fn settle(request: &Request<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    let Asked { seed, frequency_penalty, presence_penalty, choices, log_probabilities, .. } = &request.sampling;
    let does_something = |value: &Option<Value<'_>>| value.and_then(Value::number).is_some_and(|number| number != 0.0);
    let (cache_key, verbosity) = (&request.user.cache_key, &request.user.verbosity);
    for (is_used, feature) in [
        (seed.is_some(), Feature::Seed),
        (does_something(frequency_penalty), Feature::FrequencyPenalty),
        (does_something(presence_penalty), Feature::PresencePenalty),
        (choices.is_some_and(|choices| choices > 1), Feature::Choices),
        (log_probabilities.is_some(), Feature::LogProbabilities),
        (request.reasoning.visible == Some(true), Feature::ReasoningVisible),
        (cache_key.is_some(), Feature::CacheKey),
        (verbosity.as_ref().is_some_and(|verbosity| *verbosity != "medium"), Feature::Verbosity),
    ] {
        if is_used {
            notes.allows(feature)?;
        }
    }
    Ok(())
}

/// How the form of the answer is brought about.
#[derive(Default)]
struct Format {
    /// The schema in `output_config.format`.
    enforced: Option<String>,
    /// Said in the system prompt.
    instruction: Option<String>,
}

impl Format {
    fn of(format: &OutputFormat<'_>, model: &Model, notes: &mut Notes) -> Result<Self, Rejected> {
        let (schema, description) = match format {
            OutputFormat::Text => return Ok(Self::default()),
            OutputFormat::JsonObject => {
                let instruction = notes.allows(Feature::JsonObject)?.then(|| JSON_OBJECT.to_owned());
                return Ok(Self { enforced: None, instruction });
            }
            OutputFormat::JsonSchema { schema, description, is_openapi, .. } => {
                (json_schema(*schema, *is_openapi), description.as_ref())
            }
        };
        let schema = Value::parse(schema.as_bytes()).unwrap_or(Value::EMPTY_OBJECT);
        notes.allows(Feature::JsonSchema)?;
        if !model.takes_schemas {
            notes.add(Feature::JsonSchema.name(), How::Approximated);
            let instruction = Some(format!("{JSON_OBJECT}\n\n{JSON_SCHEMA}\n{}", schema.raw()));
            return Ok(Self { enforced: None, instruction });
        }
        let written = schema::enforced(schema, description);
        if written.is_looser {
            notes.add(Feature::JsonSchema.name(), How::Approximated);
        }
        Ok(Self { enforced: Some(written.json), instruction: None })
    }

    fn write(&self, object: &mut Object<'_>, effort: Option<&str>) {
        if self.enforced.is_none() && effort.is_none() {
            return;
        }
        let mut object = object.object("output_config");
        if let Some(effort) = effort {
            object.string("effort", effort);
        }
        if let Some(schema) = &self.enforced {
            object.object("format").string("type", "json_schema").raw("schema", schema);
        }
    }
}

/// Temperatures go up to one. A model that thinks takes its own and no `top_k`, and hardly another `top_p`.
fn write_sampling(
    asked: &Asked<'_>,
    model: &Model,
    thinks: bool,
    object: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let number = |value: &Option<Value<'_>>| value.and_then(Value::number);
    let has_top_p = number(&asked.top_p).is_some_and(|top_p| top_p < 1.0);
    let mut has_temperature = false;
    if let (Some(value), Some(temperature)) = (asked.temperature, number(&asked.temperature)) {
        #[expect(clippy::float_cmp, reason = "one is the default, and nothing near it is")]
        let is_default = temperature == 1.0;
        if model.sampling == Sampling::None || thinks {
            if !is_default {
                notes.add("temperature", How::Dropped);
            }
        } else if temperature > 1.0 {
            notes.add("temperature", How::Clamped);
            object.count("temperature", 1);
            has_temperature = true;
        } else if !(is_default && has_top_p) {
            object.value("temperature", value);
            has_temperature = true;
        }
    }
    if let (Some(value), Some(top_p)) = (asked.top_p, number(&asked.top_p)) {
        let is_excluded = match model.sampling {
            Sampling::All => thinks && top_p < 0.95,
            Sampling::OneOf => has_temperature || thinks && top_p < 0.95,
            Sampling::None => true,
        };
        if !is_excluded {
            object.value("top_p", value);
        } else if has_top_p {
            notes.add("top_p", How::Dropped);
        }
    }
    if let Some(value) = asked.top_k {
        if notes.allows(Feature::TopK)? && model.sampling != Sampling::None && !thinks {
            object.value("top_k", value);
        } else {
            notes.add("top_k", How::Dropped);
        }
    }
    Ok(())
}

/// Texts of white space alone are refused by Anthropic, and without them the answer would be another.
fn write_stop(stop: &[Text<'_>], object: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    if stop.is_empty() {
        return Ok(());
    }
    if stop.iter().any(Text::is_blank) {
        let message = "`stop`: this model's provider takes no stop sequences of white space alone";
        return Err(Rejected::new("stop", message));
    }
    if notes.allows(Feature::Stop)? {
        let mut array = object.array("stop_sequences");
        for text in stop {
            array.text(text);
        }
    }
    Ok(())
}

/// Anthropic refuses addresses of mail and long texts as ids.
fn write_user(request: &Request<'_>, object: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    let Some(id) = request.user.id.as_ref().filter(|id| !id.is_empty()) else { return Ok(()) };
    let decoded = id.decode();
    if decoded.contains('@') || decoded.chars().count() > 256 {
        notes.add(Feature::User.name(), How::Dropped);
    } else if notes.allows(Feature::User)? {
        object.object("metadata").text("user_id", id);
    }
    Ok(())
}

fn write_system(
    request: &Request<'_>,
    turns: &Turns<'_, '_>,
    instruction: Option<&str>,
    object: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let instruction = instruction.map(Text::from);
    let mut said: Vec<(&Text<'_>, Option<CacheControl>)> = Vec::new();
    for block in &request.system {
        if let Block::Text { text, cache } = block {
            said.push((text, *cache));
        }
    }
    said.retain(|(text, _)| !text.is_blank());
    let late: Vec<&Text<'_>> = turns.late_system.iter().copied().filter(|text| !text.is_blank()).collect();
    if !late.is_empty() && notes.allows(Feature::LateSystem)? {
        said.extend(late.into_iter().map(|text| (text, None)));
    }
    said.extend(instruction.as_ref().map(|text| (text, None)));
    match said[..] {
        [] => {}
        [(text, None)] => {
            object.text("system", text);
        }
        _ => {
            let mut array = object.array("system");
            for (text, cache) in said {
                write_text(&mut array, text, cache);
            }
        }
    }
    Ok(())
}
