//! A caller's request: the members of its body.

use std::borrow::Cow;

use crate::canonical::{Effort, OutputFormat, ReasoningRequest, Request, Text};
use crate::json::{Kind, Value};
use crate::translate::read::{boolean, count, list, number, object, settle_foreign, string, text};
use crate::translate::{Caller, Note, Rejected};

use super::foreign::TABLE;
use super::{read_input, read_tools};

pub(super) fn read<'a>(body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
    let mut request = Request::default();
    // Instructions stand before what the input begins with, wherever they are in the body.
    if let Some(instructions) = body.get("instructions") {
        request.system.push(crate::canonical::Block::text(text("instructions", instructions)?));
    }
    let mut wants_log_probabilities = false;
    let mut alternatives = None;
    for (name, value) in body.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "model" | "instructions" => {}
            "input" => read_input::read(value, caller, &mut request)?,
            "tools" => request.tools = read_tools::read(value, &mut request.notes)?,
            "tool_choice" => request.tool_choice = Some(read_tools::read_choice(value)?),
            "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(&name, value)?),
            "text" => read_text(value, &mut request).map_err(|fault| fault.inside("text"))?,
            "reasoning" => read_reasoning(value, &mut request).map_err(|fault| fault.inside("reasoning"))?,
            "include" => wants_log_probabilities |= read_include(value, &mut request)?,
            "max_output_tokens" => request.max_output_tokens = Some(count(&name, value)?),
            "temperature" => request.sampling.temperature = Some(number(&name, value)?),
            "top_p" => request.sampling.top_p = Some(number(&name, value)?),
            "top_logprobs" => alternatives = Some(count(&name, value)?).filter(|count| *count > 0),
            "stream" => request.stream = boolean(&name, value)?,
            "stream_options" => read_stream_options(value, &mut request.notes)?,
            "user" => request.user.id = request.user.id.take().or(Some(text(&name, value)?)),
            "safety_identifier" => request.user.id = Some(text(&name, value)?),
            "prompt_cache_key" => request.user.cache_key = Some(text(&name, value)?),
            _ if is_default(&name, value) => {}
            _ => settle_foreign(TABLE, "", &name, value, &mut request.notes)?,
        }
    }
    if wants_log_probabilities || alternatives.is_some() {
        request.sampling.log_probabilities = Some(alternatives.unwrap_or_default());
    }
    if request.messages.is_empty() && request.system.is_empty() {
        return Err(Rejected::missing("input"));
    }
    Ok(request)
}

/// What says no more than leaving it out at a provider that stores nothing and has one tier.
fn is_default(name: &str, value: Value<'_>) -> bool {
    match name {
        "background" | "store" => value.boolean() == Some(false),
        "truncation" => value.string().as_deref() == Some("disabled"),
        "service_tier" => matches!(value.string().as_deref(), Some("auto" | "default")),
        _ => false,
    }
}

fn read_text<'a>(value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
    for (name, value) in inner(value)?.filter(|(_, value)| !value.is_null()) {
        match &*name {
            "format" => {
                let format = object(&name, value)?;
                request.format = read_format(format, &mut request.notes).map_err(|fault| fault.inside("format"))?;
            }
            "verbosity" => request.user.verbosity = Some(text(&name, value)?),
            _ => settle_foreign(TABLE, "text", &name, value, &mut request.notes)?,
        }
    }
    Ok(())
}

fn read_format<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<OutputFormat<'a>, Rejected> {
    let kind = value.get("type").ok_or_else(|| Rejected::missing("type"))?;
    match &*string("type", kind)? {
        "text" => return Ok(OutputFormat::Text),
        "json_object" => return Ok(OutputFormat::JsonObject),
        "json_schema" => {}
        _ => return Err(Rejected::new("type", "`type` must be one of text, json_object, json_schema")),
    }
    let (mut label, mut description, mut schema, mut strict) = (None, None, None, None);
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "type" => {}
            "name" => label = Some(text(&name, value)?),
            "description" => description = Some(text(&name, value)?),
            "schema" => schema = Some(object(&name, value)?),
            "strict" => strict = Some(boolean(&name, value)?),
            _ => settle_foreign(TABLE, "text.format", &name, value, notes)?,
        }
    }
    let schema = schema.ok_or_else(|| Rejected::missing("schema"))?;
    Ok(OutputFormat::JsonSchema { name: label, description, schema, strict, is_openapi: false })
}

fn read_reasoning<'a>(value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
    let mut summary = None;
    for (name, value) in inner(value)?.filter(|(_, value)| !value.is_null()) {
        match &*name {
            "effort" => effort(&string(&name, value)?, &mut request.reasoning)?,
            "summary" => summary = Some(text(&name, value)?),
            // Its name until it was renamed.
            "generate_summary" => summary = summary.or(Some(text(&name, value)?)),
            "context" if is_word(value, "auto") => {}
            "mode" if is_word(value, "standard") => {}
            _ => settle_foreign(TABLE, "reasoning", &name, value, &mut request.notes)?,
        }
    }
    request.reasoning.visible = summary.is_some().then_some(true);
    request.reasoning.summary = summary;
    Ok(())
}

fn effort(word: &str, reasoning: &mut ReasoningRequest<'_>) -> Result<(), Rejected> {
    let effort = Effort::parse(word).ok_or_else(|| {
        Rejected::new("effort", "`effort` must be one of none, minimal, low, medium, high, xhigh, max")
    })?;
    reasoning.effort = Some(effort);
    if effort == Effort::None {
        reasoning.enabled = Some(false);
    }
    Ok(())
}

/// Returns whether log probabilities are wanted.
fn read_include<'a>(value: Value<'a>, request: &mut Request<'a>) -> Result<bool, Rejected> {
    let mut wants_log_probabilities = false;
    let names = list("include", value, |name| string("", name))?;
    for name in names {
        match &*name {
            "reasoning.encrypted_content" => request.reasoning.encrypted = true,
            "message.output_text.logprobs" => wants_log_probabilities = true,
            _ => settle_foreign(TABLE, "include", &name, value, &mut request.notes)?,
        }
    }
    Ok(wants_log_probabilities)
}

fn read_stream_options(value: Value<'_>, notes: &mut Vec<Note>) -> Result<(), Rejected> {
    for (name, value) in object("stream_options", value)?.members() {
        // Nothing is padded unless that is asked for.
        if value.boolean() != Some(false) {
            settle_foreign(TABLE, "stream_options", &name, value, notes)?;
        }
    }
    Ok(())
}

fn inner(value: Value<'_>) -> Result<impl Iterator<Item = (Cow<'_, str>, Value<'_>)>, Rejected> {
    if value.kind() == Kind::Object { Ok(value.members()) } else { Err(Rejected::wrong_type("", Kind::Object)) }
}

fn is_word(value: Value<'_>, word: &str) -> bool {
    value.text().is_some_and(|text: Text<'_>| text == word)
}
