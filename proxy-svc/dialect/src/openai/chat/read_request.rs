//! A caller's request, member by member. Old names of a thing are read as the new ones; what only compatible clients
//! say (`reasoning`, `thinking`, `top_k`) is read where the canonical form has room for it.

use super::foreign::TABLE;
use super::read_messages::Conversation;
use super::read_tools;
use crate::canonical::{Effort, OutputFormat, Request, Text};
use crate::json::{Kind, Value};
use crate::translate::read::{self, settle_foreign};
use crate::translate::{Note, Rejected, Seal};

/// Where a member of the request is noted that has no place in the canonical one.
pub(super) fn foreign(place: &str, name: &str, value: Value<'_>, notes: &mut Vec<Note>) -> Result<(), Rejected> {
    settle_foreign(TABLE, place, name, value, notes)
}

/// What is not settled before the last member was read.
#[derive(Default)]
struct Reading<'a> {
    request: Request<'a>,
    /// The older name of the limit; the newer one goes before it.
    max_tokens: Option<u64>,
    /// The older name of the user.
    user: Option<Text<'a>>,
    log_probabilities: bool,
    alternatives: Option<u64>,
    has_messages: bool,
}

pub(super) fn read<'a>(body: Value<'a>, seal: &dyn Seal) -> Result<Request<'a>, Rejected> {
    let mut reading = Reading::default();
    for (name, value) in body.members().filter(|(_, value)| !value.is_null()) {
        reading.member(&name, value, seal)?;
    }
    let Reading { mut request, max_tokens, user, log_probabilities, alternatives, has_messages } = reading;
    if !has_messages {
        return Err(Rejected::missing("messages"));
    }
    request.max_output_tokens = request.max_output_tokens.or(max_tokens);
    request.user.id = request.user.id.or(user);
    request.sampling.log_probabilities = log_probabilities.then(|| alternatives.unwrap_or_default());
    Ok(request)
}

impl<'a> Reading<'a> {
    fn member(&mut self, name: &str, value: Value<'a>, seal: &dyn Seal) -> Result<(), Rejected> {
        let Self { request, .. } = self;
        match name {
            "model" => {}
            "messages" => {
                let mut conversation = Conversation::new(seal, &mut request.notes);
                conversation.read(value)?;
                (request.system, request.messages) = conversation.into_parts();
                self.has_messages = true;
            }
            "tools" => {
                let tools = read::list("tools", value, |tool| read_tools::tool(tool, &mut request.notes))?;
                request.tools.extend(tools);
            }
            "functions" => {
                let functions = read::list("functions", value, |tool| read_tools::function(tool, &mut request.notes))?;
                request.tools.extend(functions);
            }
            "tool_choice" => request.tool_choice = Some(read_tools::choice("tool_choice", value)?),
            "function_call" => {
                let choice = read_tools::choice("function_call", value)?;
                request.tool_choice.get_or_insert(choice);
            }
            "parallel_tool_calls" => request.parallel_tool_calls = Some(read::boolean(name, value)?),
            "response_format" => request.format = format(value, &mut request.notes)?,
            "max_completion_tokens" => request.max_output_tokens = Some(read::count(name, value)?),
            "max_tokens" => self.max_tokens = Some(read::count(name, value)?),
            "stream" => request.stream = read::boolean(name, value)?,
            "stream_options" => stream_options(request, value)?,
            "safety_identifier" => request.user.id = Some(read::text(name, value)?),
            "user" => self.user = Some(read::text(name, value)?),
            "prompt_cache_key" => request.user.cache_key = Some(read::text(name, value)?),
            // The default says nothing.
            "verbosity" => {
                request.user.verbosity = Some(read::text(name, value)?).filter(|word| *word != "medium");
            }
            "reasoning_effort" | "reasoning" | "thinking" => reasoning(request, name, value)?,
            _ => return self.sampling(name, value),
        }
        Ok(())
    }

    fn sampling(&mut self, name: &str, value: Value<'a>) -> Result<(), Rejected> {
        let sampling = &mut self.request.sampling;
        match name {
            "temperature" => sampling.temperature = Some(read::number(name, value)?),
            "top_p" => sampling.top_p = Some(read::number(name, value)?),
            "top_k" => sampling.top_k = Some(read::number(name, value)?),
            "seed" => sampling.seed = Some(read::number(name, value)?),
            "frequency_penalty" => sampling.frequency_penalty = Some(read::number(name, value)?),
            "presence_penalty" => sampling.presence_penalty = Some(read::number(name, value)?),
            "n" => sampling.choices = Some(read::count(name, value)?),
            "logprobs" => self.log_probabilities = read::boolean(name, value)?,
            "top_logprobs" => self.alternatives = Some(read::count(name, value)?),
            "stop" => self.request.stop = stop(value)?,
            _ if is_without_effect(name, value) => {}
            _ => return foreign("", name, value, &mut self.request.notes),
        }
        Ok(())
    }
}

/// A foreign member that says what holds anyway.
fn is_without_effect(name: &str, value: Value<'_>) -> bool {
    match name {
        "store" => value.boolean() == Some(false),
        "service_tier" => value.string().is_some_and(|tier| tier == "auto" || tier == "default"),
        "modalities" => {
            let is_text = |modality: Value<'_>| modality.string().is_some_and(|word| word == "text");
            value.kind() == Kind::Array && value.elements().all(is_text)
        }
        "logit_bias" => value.kind() == Kind::Object && value.members().next().is_none(),
        _ => false,
    }
}

fn stop(value: Value<'_>) -> Result<Vec<Text<'_>>, Rejected> {
    match value.text() {
        Some(text) => Ok(vec![text]),
        None => read::list("stop", value, |text| read::text("", text)),
    }
}

fn stream_options<'a>(request: &mut Request<'a>, value: Value<'a>) -> Result<(), Rejected> {
    for (name, value) in read::object("stream_options", value)?.members().filter(|(_, value)| !value.is_null()) {
        let read = match &*name {
            "include_usage" => read::boolean(&name, value).map(|wanted| request.include_usage = wanted),
            _ => foreign("stream_options", &name, value, &mut request.notes),
        };
        read.map_err(|rejected| rejected.inside("stream_options"))?;
    }
    Ok(())
}

fn format<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<OutputFormat<'a>, Rejected> {
    let inside = |rejected: Rejected| rejected.inside("response_format");
    let value = read::object("response_format", value)?;
    let kind = value.get("type").ok_or_else(|| inside(Rejected::missing("type")))?;
    match &*read::string("type", kind).map_err(inside)? {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let schema = value.get("json_schema").ok_or_else(|| inside(Rejected::missing("json_schema")))?;
            json_schema(schema, notes).map_err(|rejected| inside(rejected.inside("json_schema")))
        }
        _ => Err(inside(Rejected::new("type", "`type` must be `text`, `json_object` or `json_schema`"))),
    }
}

fn json_schema<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<OutputFormat<'a>, Rejected> {
    let (mut found_name, mut description, mut schema, mut strict) = (None, None, Value::EMPTY_OBJECT, None);
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "name" => found_name = Some(read::text("name", value)?),
            "description" => description = Some(read::text("description", value)?),
            "schema" => schema = read::object("schema", value)?,
            "strict" => strict = Some(read::boolean("strict", value)?),
            _ => foreign("response_format.json_schema", &name, value, notes)?,
        }
    }
    Ok(OutputFormat::JsonSchema { name: found_name, description, schema, strict, is_openapi: false })
}

/// OpenAI's `reasoning_effort`; and as compatible clients say it, `reasoning` (`effort`, `max_tokens`, `enabled`,
/// `exclude`) or `thinking` (`type`, `budget_tokens`).
fn reasoning<'a>(request: &mut Request<'a>, outer: &str, value: Value<'a>) -> Result<(), Rejected> {
    let Request { reasoning, notes, .. } = request;
    if outer == "reasoning_effort" {
        let found = effort(outer, value)?;
        reasoning.enabled = Some(found != Effort::None);
        reasoning.effort = Some(found);
        return Ok(());
    }
    for (name, value) in read::object(outer, value)?.members().filter(|(_, value)| !value.is_null()) {
        let read = match (outer, &*name) {
            ("reasoning", "effort") => effort(&name, value).map(|found| {
                reasoning.enabled.get_or_insert(found != Effort::None);
                reasoning.effort = Some(found);
            }),
            ("reasoning", "max_tokens") | ("thinking", "budget_tokens") => {
                read::count(&name, value).map(|budget| reasoning.budget = Some(budget))
            }
            ("reasoning", "enabled") => read::boolean(&name, value).map(|enabled| reasoning.enabled = Some(enabled)),
            ("reasoning", "exclude") => read::boolean(&name, value).map(|hidden| reasoning.visible = Some(!hidden)),
            ("thinking", "type") => read::string(&name, value).map(|word| reasoning.enabled = Some(word != "disabled")),
            _ => foreign(outer, &name, value, notes),
        };
        read.map_err(|rejected| rejected.inside(outer))?;
    }
    Ok(())
}

fn effort(name: &str, value: Value<'_>) -> Result<Effort, Rejected> {
    Effort::parse(&read::string(name, value)?).ok_or_else(|| {
        let words = "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`";
        Rejected::new(name, format!("`{name}` must be {words}"))
    })
}
