//! A caller's Messages request.

use std::borrow::Cow;

use crate::canonical::{Block, CacheControl, Effort, Message, OutputFormat, ReasoningRequest, Request, Role, Text};
use crate::json::{Kind, Value};
use crate::translate::{Caller, Note, Rejected, Seal, read};

use super::foreign;

/// What reading needs beside the value at hand.
pub(super) struct Reader<'s> {
    pub(super) seal: &'s dyn Seal,
    pub(super) notes: Vec<Note>,
}

pub(super) fn read<'a>(body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
    let mut reader = Reader { seal: caller.seal, notes: Vec::new() };
    let mut request = Request::default();
    let mut messages = None;
    for (name, value) in members(body) {
        match &*name {
            "model" => {}
            "max_tokens" => request.max_output_tokens = Some(read::count(&name, value)?),
            "messages" => messages = Some(value),
            "metadata" => reader.metadata(value, &mut request).map_err(|rejected| rejected.inside(&name))?,
            "output_config" => reader.output_config(value, &mut request).map_err(|rejected| rejected.inside(&name))?,
            "output_format" => {
                request.format = reader.format(&name, value).map_err(|rejected| rejected.inside(&name))?;
            }
            "stop_sequences" => request.stop = read::list(&name, value, |element| read::text("", element))?,
            "stream" => request.stream = read::boolean(&name, value)?,
            "system" => request.system = reader.instructions(&name, value)?,
            "temperature" => request.sampling.temperature = Some(read::number(&name, value)?),
            "top_p" => request.sampling.top_p = Some(read::number(&name, value)?),
            "top_k" => request.sampling.top_k = Some(read::number(&name, value)?),
            "thinking" => {
                reader.thinking(value, &mut request.reasoning).map_err(|rejected| rejected.inside(&name))?;
            }
            "tools" => request.tools = reader.tools(value)?,
            "tool_choice" => {
                reader.tool_choice(value, &mut request).map_err(|rejected| rejected.inside(&name))?;
            }
            _ if is_default(&name, value) => {}
            _ => reader.settle("", &name, value)?,
        }
    }
    let messages = messages.ok_or_else(|| Rejected::missing("messages"))?;
    reader.messages(messages, &mut request)?;
    request.notes = reader.notes;
    Ok(request)
}

/// The members of an object that say something.
pub(super) fn members(value: Value<'_>) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    value.members().filter(|(_, value)| !value.is_null())
}

/// What asks for nothing but what happens anyway.
fn is_default(name: &str, value: Value<'_>) -> bool {
    let says = |word: &str| value.text().is_some_and(|text| text == word);
    match name {
        "service_tier" => says("auto"),
        "speed" => says("standard"),
        "inference_geo" => says("global"),
        "mcp_servers" | "fallbacks" => value.kind() == Kind::Array && value.elements().next().is_none(),
        _ => false,
    }
}

impl Reader<'_> {
    pub(super) fn settle(&mut self, place: &str, name: &str, value: Value<'_>) -> Result<(), Rejected> {
        read::settle_foreign(foreign::TABLE, place, name, value, &mut self.notes)
    }

    fn metadata<'a>(&mut self, value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
        for (name, value) in members(read::object("", value)?) {
            match &*name {
                "user_id" => request.user.id = Some(read::text(&name, value)?),
                _ => self.settle("metadata", &name, value)?,
            }
        }
        Ok(())
    }

    fn output_config<'a>(&mut self, value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
        for (name, value) in members(read::object("", value)?) {
            match &*name {
                "effort" => {
                    let word = read::string(&name, value)?;
                    let effort = Effort::parse(&word)
                        .ok_or_else(|| Rejected::new("effort", format!("`effort` cannot be `{}`", shown(&word))))?;
                    request.reasoning.effort = Some(effort);
                }
                "format" => {
                    request.format =
                        self.format("output_config.format", value).map_err(|rejected| rejected.inside(&name))?;
                }
                _ => self.settle("output_config", &name, value)?,
            }
        }
        Ok(())
    }

    fn format<'a>(&mut self, place: &str, value: Value<'a>) -> Result<OutputFormat<'a>, Rejected> {
        let value = read::object("", value)?;
        match value.get("type").and_then(Value::text) {
            Some(kind) if kind == "json_schema" => {}
            Some(kind) => {
                return Err(Rejected::new("type", format!("`type` cannot be `{}`", shown(&kind.decode()))));
            }
            None => return Err(Rejected::missing("type")),
        }
        let schema = value.get("schema").ok_or_else(|| Rejected::missing("schema"))?;
        let schema = read::object("schema", schema)?;
        self.others(value, place, &["type", "schema"])?;
        // Anthropic's answers always follow the schema.
        Ok(OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true), is_openapi: false })
    }

    /// Whoever turns thinking on sees the thoughts, unless they are to be left out.
    fn thinking(&mut self, value: Value<'_>, reasoning: &mut ReasoningRequest<'_>) -> Result<(), Rejected> {
        let mut is_omitted = false;
        let mut kind = None;
        for (name, value) in members(read::object("", value)?) {
            match &*name {
                "type" => kind = Some(read::text(&name, value)?),
                "budget_tokens" => reasoning.budget = Some(read::count(&name, value)?),
                "display" => is_omitted = read::text(&name, value)? == "omitted",
                _ => self.settle("thinking", &name, value)?,
            }
        }
        let kind = kind.ok_or_else(|| Rejected::missing("type"))?;
        let enabled = match &*kind.decode() {
            "enabled" | "adaptive" => true,
            "disabled" | "between_tools" => false,
            other => return Err(Rejected::new("type", format!("`type` cannot be `{}`", shown(other)))),
        };
        reasoning.enabled = Some(enabled);
        if enabled {
            reasoning.visible = Some(!is_omitted);
        } else {
            reasoning.budget = None;
        }
        Ok(())
    }

    /// A string, or text blocks.
    fn instructions<'a>(&mut self, name: &str, value: Value<'a>) -> Result<Vec<Block<'a>>, Rejected> {
        let blocks = self.blocks(name, value)?;
        match blocks.iter().position(|block| !matches!(block, Block::Text { .. })) {
            Some(index) => Err(Rejected::new("", "instructions are made of text alone").inside_element(name, index)),
            None => Ok(blocks),
        }
    }

    fn messages<'a>(&mut self, value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
        let messages = read::list("messages", value, |element| self.message(element))?;
        if messages.is_empty() {
            return Err(Rejected::new("messages", "`messages` must not be empty"));
        }
        for message in messages {
            if message.role == Role::System && request.messages.is_empty() {
                request.system.extend(message.content);
            } else {
                request.messages.push(message);
            }
        }
        Ok(())
    }

    fn message<'a>(&mut self, value: Value<'a>) -> Result<Message<'a>, Rejected> {
        if value.kind() != Kind::Object {
            return Err(Rejected::new("", "a message must be an object"));
        }
        let (mut role, mut content) = (None, None);
        for (name, value) in members(value) {
            match &*name {
                "role" => role = Some(read::text(&name, value)?),
                "content" => content = Some(value),
                _ => self.settle("messages", &name, value)?,
            }
        }
        let role = match &*role.ok_or_else(|| Rejected::missing("role"))?.decode() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            other => return Err(Rejected::new("role", format!("`role` cannot be `{}`", shown(other)))),
        };
        let content = match (content, role) {
            (Some(value), Role::System) => self.instructions("content", value)?,
            (Some(value), _) => self.blocks("content", value)?,
            // An instruction may be about the effort alone.
            (None, Role::System) => Vec::new(),
            (None, _) => return Err(Rejected::missing("content")),
        };
        Ok(Message { role, content })
    }
}

pub(super) fn cache_control(value: Value<'_>) -> CacheControl {
    match value.get("ttl").and_then(Value::text) {
        Some(ttl) if ttl == "1h" => CacheControl::OneHour,
        _ => CacheControl::FiveMinutes,
    }
}

/// The beginning of a word that was not expected, for an error.
pub(super) fn shown(word: &str) -> String {
    word.chars().filter(|character| !character.is_control()).take(64).collect()
}

/// As the `Text` of a block.
pub(super) const fn text_block(text: Text<'_>, cache: Option<CacheControl>) -> Block<'_> {
    Block::Text { text, cache }
}
