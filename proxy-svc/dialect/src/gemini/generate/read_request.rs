//! A caller's request.

use super::members::{list, members, settle};
use super::{read_config, read_contents, read_tools};
use crate::canonical::{Block, Request, ToolChoice};
use crate::json::{Kind, Value};
use crate::translate::{Caller, Note, Rejected, read};

pub(super) fn read<'a>(body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
    // Usage is always told in this protocol.
    let mut request = Request { stream: caller.stream_in_path, include_usage: true, ..Request::default() };
    let mut notes = Vec::new();
    let mut has_contents = false;
    for (name, value) in members("", body)? {
        match &*name {
            "contents" => {
                has_contents = true;
                request.messages = read_contents::read(&name, value, caller.seal, &mut notes)?;
            }
            "systemInstruction" => {
                request.system = system(value, &mut notes).map_err(|rejected| rejected.inside(&name))?;
            }
            "tools" => {
                let tools = list(&name, value, |tool| read_tools::read(tool, &mut notes))?;
                request.tools = tools.into_iter().flatten().collect();
            }
            "toolConfig" => {
                let choice = read_tools::choice(value, &mut notes);
                request.tool_choice = choice.map_err(|rejected| rejected.inside(&name))?;
            }
            "generationConfig" => {
                let read = read_config::read(value, &mut request, &mut notes);
                read.map_err(|rejected| rejected.inside(&name))?;
            }
            _ => settle("", &name, value, &mut notes)?,
        }
    }
    if !has_contents {
        return Err(Rejected::missing("contents"));
    }
    if request.messages.is_empty() {
        return Err(Rejected::new("contents", "`contents` must say something"));
    }
    // Without tools it means nothing, and others refuse a choice among none.
    if request.tools.is_empty() && matches!(request.tool_choice, Some(ToolChoice::Auto | ToolChoice::None)) {
        request.tool_choice = None;
    }
    request.notes = notes;
    Ok(request)
}

/// A `Content` without a role, its parts, or a text.
fn system<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Vec<Block<'a>>, Rejected> {
    let mut texts = Vec::new();
    match value.kind() {
        Kind::String => texts.extend(value.text().map(Block::text)),
        Kind::Array => texts = list("parts", value, |part| system_part(part, notes))?,
        _ => {
            for (name, value) in members("", value)? {
                match &*name {
                    "parts" => texts = list(&name, value, |part| system_part(part, notes))?,
                    "role" => {}
                    _ => settle("systemInstruction", &name, value, notes)?,
                }
            }
        }
    }
    texts.retain(|block| !matches!(block, Block::Text { text, .. } if text.is_empty()));
    Ok(texts)
}

fn system_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    if let Some(text) = part.text() {
        return Ok(Block::text(text));
    }
    let mut found = None;
    for (name, value) in members("", part)? {
        match &*name {
            "text" => found = Some(read::text(&name, value)?),
            "inlineData" | "fileData" | "functionCall" | "functionResponse" => {
                return Err(Rejected::new(&*name, format!("`{name}`: instructions can only be text")));
            }
            _ => settle("contents.parts", &name, value, notes)?,
        }
    }
    Ok(Block::text(found.unwrap_or(crate::canonical::Text::EMPTY)))
}
