//! The body for an upstream: OpenAI itself, or one of the many that speak its protocol, which get nothing but what all
//! of them know.

use crate::canonical::{Effort, OutputFormat, Request, Sampling};
use crate::json::Value;
use crate::json::write::Object;
use crate::openai::schema::format_name;
use crate::openai::strictness::is_strict;
use crate::translate::policy::Feature;
use crate::translate::schema::write_json_schema;
use crate::translate::{How, Notes, Rejected, Target};

use super::models::{self, Family};
use super::{write_messages, write_tools};

/// So many texts at which to stop OpenAI takes.
const MOST_STOPS: usize = 4;

/// Callers of other protocols may say longer names of users than OpenAI takes.
const LONGEST_USER: usize = 128;

/// What a request is written with.
pub(super) struct Writing<'w, 'r, 'a> {
    pub(super) request: &'r Request<'a>,
    pub(super) is_compatible: bool,
    pub(super) model: &'w str,
    pub(super) family: Family,
    pub(super) notes: &'w mut Notes,
}

pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    out: &mut Vec<u8>,
) -> Result<(), Rejected> {
    let Target { model, is_compatible, .. } = *target;
    let family = if is_compatible { Family::Unknown } else { Family::of(model) };
    let mut writing = Writing { request, is_compatible, model, family, notes };
    let mut object = Object::begin(out);
    object.string("model", model);
    write_messages::write(&mut object, &mut writing)?;
    write_tools::write(&mut object, &mut writing)?;
    writing.format(&mut object)?;
    writing.limits(&mut object)?;
    let effort = writing.reasoning(&mut object)?;
    writing.sampling(&mut object, effort)?;
    writing.user(&mut object)?;
    if request.stream {
        // The gateway meters; whether the caller sees it is decided when its stream is written.
        object.boolean("stream", true).object("stream_options").boolean("include_usage", true);
    }
    Ok(())
}

impl Writing<'_, '_, '_> {
    fn limits(&mut self, object: &mut Object<'_>) -> Result<(), Rejected> {
        if let Some(limit) = self.request.max_output_tokens {
            object.count(if self.is_compatible { "max_tokens" } else { "max_completion_tokens" }, limit);
        }
        let stop = &self.request.stop;
        if !stop.is_empty() && self.notes.allows(Feature::Stop)? {
            if !self.is_compatible && stop.len() > MOST_STOPS {
                return Err(Rejected::new("stop", format!("OpenAI takes at most {MOST_STOPS} stop sequences")));
            }
            crate::canonical::write_texts(&mut object.array("stop"), stop);
        }
        Ok(())
    }

    fn format(&mut self, object: &mut Object<'_>) -> Result<(), Rejected> {
        match &self.request.format {
            OutputFormat::Text => {}
            OutputFormat::JsonObject => {
                if self.notes.allows(Feature::JsonObject)? {
                    object.object("response_format").string("type", "json_object");
                }
            }
            OutputFormat::JsonSchema { name, description, schema, strict, is_openapi } => {
                if !self.notes.allows(Feature::JsonSchema)? {
                    return Ok(());
                }
                let strict = self.strict("response_format.strict", *strict, *schema);
                let mut format = object.object("response_format");
                let mut inner = format.string("type", "json_schema").object("json_schema");
                inner.string("name", &format_name(name.as_ref()));
                if let Some(description) = description {
                    inner.text("description", description);
                }
                write_json_schema(&mut inner, "schema", *schema, *is_openapi);
                if let Some(strict) = strict {
                    inner.boolean("strict", strict);
                }
            }
        }
        Ok(())
    }

    /// Other protocols hold every answer to its schema; OpenAI does so where it is told to, and only takes some
    /// schemas for it.
    pub(super) fn strict(&mut self, field: &'static str, asked: Option<bool>, schema: Value<'_>) -> Option<bool> {
        match asked {
            Some(false) => (!self.is_compatible).then_some(false),
            Some(true) if !is_strict(schema) => {
                self.notes.add(field, How::Dropped);
                None
            }
            Some(true) => Some(true),
            None => (!self.is_compatible && is_strict(schema)).then_some(true),
        }
    }

    /// Returns the effort that was written.
    fn reasoning(&mut self, object: &mut Object<'_>) -> Result<Option<Effort>, Rejected> {
        let asked = &self.request.reasoning;
        if asked.visible == Some(true) || asked.summary.is_some() {
            // There is nothing to ask for it with.
            self.notes.allows(Feature::ReasoningVisible)?;
        }
        let Some(wanted) = asked.effective_effort() else { return Ok(None) };
        let feature = if asked.effort.is_some() || asked.enabled == Some(false) {
            Feature::ReasoningEffort
        } else {
            Feature::ReasoningBudget
        };
        let written = if self.is_compatible { models::compatible_effort(wanted) } else { self.family.effort(wanted) };
        let Some(written) = written else {
            // A model that does not reason does what was wanted.
            if wanted != Effort::None || self.family != Family::Classic {
                self.notes.add(feature.name(), How::Dropped);
            }
            return Ok(None);
        };
        if !self.notes.allows(feature)? {
            return Ok(None);
        }
        if written != wanted {
            self.notes.add(feature.name(), How::Clamped);
        }
        object.string("reasoning_effort", written.as_str());
        Ok(Some(written))
    }

    fn sampling(&mut self, object: &mut Object<'_>, effort: Option<Effort>) -> Result<(), Rejected> {
        let Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            frequency_penalty,
            presence_penalty,
            choices,
            log_probabilities,
        } = &self.request.sampling;
        let (family, notes) = (self.family, &mut *self.notes);
        for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
            sampled(object, name, *value, (1.0, family.refuses_sampling(effort)), notes);
        }
        for (name, value, feature) in [
            ("frequency_penalty", frequency_penalty, Feature::FrequencyPenalty),
            ("presence_penalty", presence_penalty, Feature::PresencePenalty),
        ] {
            if value.is_some() && notes.allows(feature)? {
                sampled(object, name, *value, (0.0, family.refuses_penalties()), notes);
            }
        }
        if let Some(top_k) = top_k
            && notes.allows(Feature::TopK)?
        {
            object.value("top_k", *top_k);
        }
        if let Some(seed) = seed
            && notes.allows(Feature::Seed)?
        {
            object.value("seed", *seed);
        }
        if let Some(choices) = choices.filter(|choices| *choices != 1)
            && notes.allows(Feature::Choices)?
        {
            object.count("n", choices);
        }
        if let Some(alternatives) = log_probabilities
            && notes.allows(Feature::LogProbabilities)?
        {
            object.boolean("logprobs", true);
            if *alternatives > 0 {
                object.count("top_logprobs", *alternatives);
            }
        }
        Ok(())
    }

    fn user(&mut self, object: &mut Object<'_>) -> Result<(), Rejected> {
        let user = &self.request.user;
        if let Some(id) = &user.id
            && self.notes.allows(Feature::User)?
        {
            let length = id.decode().chars().count();
            if self.is_compatible || length > LONGEST_USER {
                self.notes.add(Feature::User.name(), How::Dropped);
            } else {
                object.text("safety_identifier", id);
            }
        }
        if let Some(key) = &user.cache_key
            && self.notes.allows(Feature::CacheKey)?
        {
            if self.is_compatible {
                self.notes.add(Feature::CacheKey.name(), How::Dropped);
            } else {
                object.text("prompt_cache_key", key);
            }
        }
        if let Some(verbosity) = &user.verbosity
            && self.notes.allows(Feature::Verbosity)?
        {
            if self.is_compatible || self.family.refuses_verbosity() {
                self.notes.add(Feature::Verbosity.name(), How::Dropped);
            } else {
                object.text("verbosity", verbosity);
            }
        }
        Ok(())
    }
}

/// Writes a number that a model may take in its default alone.
fn sampled(
    object: &mut Object<'_>,
    name: &'static str,
    value: Option<Value<'_>>,
    (default, is_refused): (f64, bool),
    notes: &mut Notes,
) {
    let Some(value) = value else { return };
    if !is_refused {
        object.value(name, value);
        return;
    }
    let is_default = value.number().is_some_and(|number| (number - default).abs() < f64::EPSILON);
    if !is_default {
        notes.add(name, How::Dropped);
    }
}
