//! The body of a request to a provider.

use crate::canonical::{Block, Effort, OutputFormat, Request, Sampling, Text};
use crate::json::Value;
use crate::json::write::Object;
use crate::openai::schema::format_name;
use crate::openai::strictness::is_strict;
use crate::translate::conversation::texts;
use crate::translate::policy::Feature;
use crate::translate::schema::write_json_schema;
use crate::translate::{How, Notes, Rejected, Target};

use super::models::{self, Reasons};
use super::{write_input, write_tools};

/// The least that OpenAI takes as `max_output_tokens`.
const LEAST_OUTPUT: u64 = 16;

/// What OpenAI takes at most as the name of a user, at any time so far.
const USER_LENGTH: usize = 64;

pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    out: &mut Vec<u8>,
) -> Result<(), Rejected> {
    let reasons = if target.is_compatible { Reasons::Compatible } else { models::reasons(target.model) };
    let mut body = Object::begin(out);
    body.string("model", target.model);
    write_conversation(request, target, notes, &mut body)?;
    write_tools::write(request, notes, &mut body)?;
    write_text(request, target, notes, &mut body)?;
    if let Some(limit) = request.max_output_tokens {
        if limit < LEAST_OUTPUT {
            notes.add("max_output_tokens", How::Clamped);
        }
        body.count("max_output_tokens", limit.max(LEAST_OUTPUT));
    }
    let effort = write_reasoning(request, reasons, notes, &mut body)?;
    write_sampling(&request.sampling, reasons.takes_temperature(effort), notes, &mut body)?;
    if !request.stop.is_empty() {
        notes.allows(Feature::Stop)?;
    }
    write_include(request, reasons, effort, &mut body);
    write_user(request, target, notes, &mut body)?;
    body.boolean("store", false);
    if request.stream {
        body.boolean("stream", true);
    }
    Ok(())
}

fn write_conversation(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<(), Rejected> {
    if request.system.iter().any(|block| matches!(block, Block::Text { cache: Some(_), .. })) {
        notes.allows(Feature::CacheControl)?;
    }
    // There has to be an input.
    let are_input = request.messages.is_empty();
    if !request.system.is_empty() && !are_input {
        body.text("instructions", &crate::canonical::join(texts(&request.system)));
    }
    let mut input = body.array("input");
    let role = write_input::instructor(target);
    if are_input {
        write_input::write_texts(role, texts(&request.system), &mut input);
    }
    if request.format == OutputFormat::JsonObject && !speaks_of_json(request) {
        // OpenAI refuses the format where the input does not speak of it.
        notes.add(Feature::JsonObject.name(), How::Approximated);
        let text = Text::Escaped("Answer with a JSON object.");
        write_input::write_texts(role, std::iter::once(&text), &mut input);
    }
    write_input::write(request, target, notes, &mut input)
}

fn speaks_of_json(request: &Request<'_>) -> bool {
    let speaks = |text: &Text<'_>| {
        let text = text.decode();
        text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"))
    };
    request.messages.iter().flat_map(|message| texts(&message.content)).any(speaks)
}

fn write_text(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<(), Rejected> {
    let mut verbosity = request.user.verbosity.as_ref();
    if verbosity.is_some() {
        let is_known = notes.allows(Feature::Verbosity)?;
        if target.is_compatible {
            notes.add(Feature::Verbosity.name(), How::Dropped);
        }
        verbosity = verbosity.filter(|_| is_known && !target.is_compatible);
    }
    let has_format = match request.format {
        OutputFormat::Text => false,
        OutputFormat::JsonObject => notes.allows(Feature::JsonObject)?,
        OutputFormat::JsonSchema { .. } => notes.allows(Feature::JsonSchema)?,
    };
    if !has_format && verbosity.is_none() {
        return Ok(());
    }
    let mut text = body.object("text");
    if let Some(verbosity) = verbosity {
        text.text("verbosity", verbosity);
    }
    match &request.format {
        OutputFormat::JsonObject if has_format => _ = text.object("format").string("type", "json_object"),
        OutputFormat::JsonSchema { name, description, schema, strict, is_openapi } if has_format => {
            let mut format = text.object("format");
            format.string("type", "json_schema").string("name", &format_name(name.as_ref()));
            if let Some(description) = description {
                format.text("description", description);
            }
            write_json_schema(&mut format, "schema", *schema, *is_openapi);
            let is_strict = is_strict(*schema);
            if *strict == Some(true) && !is_strict {
                notes.add("text.format.strict", How::Dropped);
            }
            format.boolean("strict", *strict != Some(false) && is_strict);
        }
        _ => {}
    }
    Ok(())
}

/// Returns the effort that was said.
fn write_reasoning(
    request: &Request<'_>,
    reasons: Reasons,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<Option<Effort>, Rejected> {
    let asked = &request.reasoning;
    let mut effort = asked.effective_effort();
    // Told to think and not how hard: the newer models do not unless they are told.
    if effort.is_none() && asked.enabled == Some(true) && matches!(reasons, Reasons::Within(Effort::None, _)) {
        effort = Some(Effort::Medium);
    }
    let mut is_visible = asked.visible == Some(true);
    if reasons == Reasons::Never {
        // A model that never thinks does what was asked when it was asked not to.
        if effort.is_some_and(|effort| effort != Effort::None) || asked.enabled == Some(true) {
            notes.add(Feature::ReasoningEffort.name(), How::Dropped);
        }
        return Ok(None);
    }
    if effort.is_some() {
        let feature = if asked.effort.is_none() && asked.budget.is_some() && asked.enabled != Some(false) {
            Feature::ReasoningBudget
        } else {
            Feature::ReasoningEffort
        };
        effort = if notes.allows(feature)? { effort } else { None };
    }
    if reasons == Reasons::Compatible && effort == Some(Effort::None) {
        notes.add(Feature::ReasoningEffort.name(), How::Dropped);
        effort = None;
    }
    if let Some(said) = effort {
        let clamped = reasons.clamp(said);
        if clamped != said {
            notes.add(Feature::ReasoningEffort.name(), How::Clamped);
        }
        effort = Some(clamped);
    }
    is_visible = is_visible && effort != Some(Effort::None) && notes.allows(Feature::ReasoningVisible)?;
    if effort.is_some() || is_visible {
        let mut reasoning = body.object("reasoning");
        if let Some(effort) = effort {
            reasoning.string("effort", effort.as_str());
        }
        if is_visible {
            reasoning.text("summary", asked.summary.as_ref().unwrap_or(&Text::Escaped("auto")));
        }
    }
    Ok(effort)
}

/// The state of the reasoning, because nothing is stored; and log probabilities.
fn write_include(request: &Request<'_>, reasons: Reasons, effort: Option<Effort>, body: &mut Object<'_>) {
    let asked = &request.reasoning;
    let thinks = effort.is_some_and(|effort| effort != Effort::None)
        || asked.visible == Some(true)
        || asked.enabled == Some(true)
        || matches!(reasons, Reasons::Within(lowest, _) if lowest != Effort::None);
    let wants_state = match reasons {
        // Models that do not think refuse to be asked for it.
        Reasons::Never => false,
        Reasons::Compatible => asked.encrypted,
        _ => asked.encrypted || thinks,
    };
    let wants_log_probabilities = request.sampling.log_probabilities.is_some();
    if wants_state || wants_log_probabilities {
        let mut include = body.array("include");
        if wants_state {
            include.text(&Text::Escaped("reasoning.encrypted_content"));
        }
        if wants_log_probabilities {
            include.text(&Text::Escaped("message.output_text.logprobs"));
        }
    }
}

fn write_sampling(
    sampling: &Sampling<'_>,
    takes_temperature: bool,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<(), Rejected> {
    let Sampling { temperature, top_p, top_k, seed, frequency_penalty, presence_penalty, choices, log_probabilities } =
        sampling;
    for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
        match value {
            Some(value) if takes_temperature => _ = body.value(name, *value),
            // The only value that such models have.
            Some(value) if value.number() == Some(1.0) => {}
            Some(_) => notes.add(name, How::Dropped),
            None => {}
        }
    }
    let nothing_like_it = [
        (top_k, Feature::TopK),
        (seed, Feature::Seed),
        (frequency_penalty, Feature::FrequencyPenalty),
        (presence_penalty, Feature::PresencePenalty),
    ];
    for (value, feature) in nothing_like_it {
        // A penalty of nothing is none.
        let is_nothing = |value: &Value<'_>| feature != Feature::Seed && value.number() == Some(0.0);
        if value.is_some_and(|value| !is_nothing(&value)) {
            notes.allows(feature)?;
        }
    }
    if choices.is_some_and(|choices| choices > 1) {
        notes.allows(Feature::Choices)?;
    }
    if let Some(alternatives) = log_probabilities
        && notes.allows(Feature::LogProbabilities)?
        && *alternatives > 0
    {
        body.count("top_logprobs", *alternatives);
    }
    Ok(())
}

fn write_user(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<(), Rejected> {
    if let Some(id) = &request.user.id
        && notes.allows(Feature::User)?
    {
        let decoded = id.decode();
        let end = decoded.char_indices().nth(USER_LENGTH).map_or(decoded.len(), |(at, _)| at);
        if end < decoded.len() {
            notes.add(Feature::User.name(), How::Clamped);
        }
        let name = if target.is_compatible { "user" } else { "safety_identifier" };
        body.string(name, decoded.get(..end).unwrap_or_default());
    }
    if let Some(key) = &request.user.cache_key
        && notes.allows(Feature::CacheKey)?
    {
        if target.is_compatible {
            notes.add(Feature::CacheKey.name(), How::Dropped);
        } else {
            body.text("prompt_cache_key", key);
        }
    }
    Ok(())
}
