//! The items of a caller's input → turns.
//!
//! Items of the assistant that follow each other are one turn, as the protocols have it in which a call is a part of a
//! message; so are results that follow each other. Two messages of the user stay two.

use crate::canonical::{Arguments, Block, Message, Reasoning, Request, Role, Text, ToolCall, ToolResult};
use crate::json::{Kind, Value};
use crate::translate::read::{list, settle_foreign, string, text};
use crate::translate::{Caller, How, Note, Rejected, calls};

use super::foreign::{TABLE, refuse_item};
use super::read_content::{self, note};
use super::signature;

/// A string, or a list of items.
pub(super) fn read<'a>(value: Value<'a>, caller: &Caller<'_>, request: &mut Request<'a>) -> Result<(), Rejected> {
    match value.kind() {
        Kind::String => {
            let content = vec![Block::text(text("input", value)?)];
            request.messages.push(Message { role: Role::User, content });
            Ok(())
        }
        Kind::Array => list("input", value, |item| read_item(item, caller, request)).map(|_: Vec<()>| ()),
        _ => Err(Rejected::new("input", "`input` must be a string or an array")),
    }
}

fn read_item<'a>(item: Value<'a>, caller: &Caller<'_>, request: &mut Request<'a>) -> Result<(), Rejected> {
    if item.kind() != Kind::Object {
        return Err(Rejected::wrong_type("", Kind::Object));
    }
    let kind = match item.get("type") {
        Some(kind) => string("type", kind)?,
        None if item.get("role").is_some() => "message".into(),
        // The one other item whose type may be left out.
        None if item.get("id").is_some() => "item_reference".into(),
        None => return Err(Rejected::missing("type")),
    };
    match &*kind {
        "message" => message(item, request),
        "reasoning" => reasoning(item, caller, request),
        "function_call" => call(item, "arguments", caller, request),
        "custom_tool_call" => call(item, "input", caller, request),
        "function_call_output" => result(item, false, caller, request),
        "custom_tool_call_output" => result(item, true, caller, request),
        other => Err(refuse_item(other)),
    }
}

fn message<'a>(item: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
    let mut content = None;
    for (name, value) in item.members() {
        match &*name {
            "content" => content = Some(read_content::read(&name, value, &mut request.notes)?),
            _ => foreign(&name, value, request)?,
        }
    }
    let content = content.ok_or_else(|| Rejected::missing("content"))?;
    let role = item.get("role").ok_or_else(|| Rejected::missing("role"))?;
    match &*string("role", role)? {
        "user" => request.messages.push(Message { role: Role::User, content }),
        "assistant" => said_by_assistant(content, request),
        "system" | "developer" => {
            if let Some(index) = content.iter().position(|block| !matches!(block, Block::Text { .. })) {
                let fault = Rejected::new("type", "`type` must be that of a text: instructions have nothing else");
                return Err(fault.inside_element("content", index));
            }
            if request.messages.is_empty() {
                request.system.extend(content);
            } else {
                request.messages.push(Message { role: Role::System, content });
            }
        }
        _ => return Err(Rejected::new("role", "`role` must be one of user, assistant, system, developer")),
    }
    Ok(())
}

fn reasoning<'a>(item: Value<'a>, caller: &Caller<'_>, request: &mut Request<'a>) -> Result<(), Rejected> {
    let (mut id, mut summary, mut content, mut encrypted) = (None, Vec::new(), Vec::new(), None);
    for (name, value) in item.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "id" => id = Some(text(&name, value)?),
            "summary" => summary = list(&name, value, thought)?,
            "content" => content = list(&name, value, thought)?,
            "encrypted_content" => encrypted = Some(text(&name, value)?),
            _ => foreign(&name, value, request)?,
        }
    }
    let texts = if summary.is_empty() { content } else { summary };
    let text = crate::canonical::join(&texts);
    let signature = encrypted
        .filter(|encrypted| !encrypted.is_empty())
        .and_then(|encrypted| signature::open(caller.seal, id.as_ref(), encrypted));
    if text.is_empty() && signature.is_none() {
        // What it stands for is stored at the provider who made it.
        note(&mut request.notes, Note::new("input.reasoning", How::Dropped));
        return Ok(());
    }
    said_by_assistant(vec![Block::Reasoning(Reasoning { text, signature })], request);
    Ok(())
}

/// The text of a part of a summary, or of the thoughts themselves.
fn thought(part: Value<'_>) -> Result<Text<'_>, Rejected> {
    text("text", part.get("text").ok_or_else(|| Rejected::missing("text"))?)
}

fn call<'a>(
    item: Value<'a>,
    arguments_name: &str,
    caller: &Caller<'_>,
    request: &mut Request<'a>,
) -> Result<(), Rejected> {
    let (mut id, mut tool, mut arguments) = (None, None, None);
    for (name, value) in item.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "call_id" => id = Some(text(&name, value)?),
            "name" => tool = Some(text(&name, value)?),
            _ if name == arguments_name => arguments = Some(text(&name, value)?),
            _ => foreign(&name, value, request)?,
        }
    }
    let id = id.ok_or_else(|| Rejected::missing("call_id"))?;
    let (id, signature) = calls::from_caller(caller.seal, id);
    let block = Block::ToolCall(ToolCall {
        id: Some(id),
        name: tool.ok_or_else(|| Rejected::missing("name"))?,
        arguments: Arguments::Written(arguments.ok_or_else(|| Rejected::missing(arguments_name))?),
        is_custom: arguments_name == "input",
        signature,
        cache: None,
    });
    said_by_assistant(vec![block], request);
    Ok(())
}

fn result<'a>(
    item: Value<'a>,
    is_custom: bool,
    caller: &Caller<'_>,
    request: &mut Request<'a>,
) -> Result<(), Rejected> {
    let (mut id, mut tool, mut content) = (None, None, None);
    for (name, value) in item.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "call_id" => id = Some(text(&name, value)?),
            "name" => tool = Some(text(&name, value)?),
            "output" => content = Some(read_content::read(&name, value, &mut request.notes)?),
            _ => foreign(&name, value, request)?,
        }
    }
    if id.is_none() && tool.is_none() {
        return Err(Rejected::missing("call_id"));
    }
    let block = Block::ToolResult(ToolResult {
        id: id.map(|id| calls::from_caller(caller.seal, id).0),
        name: tool,
        content: content.ok_or_else(|| Rejected::missing("output"))?,
        is_error: false,
        is_custom,
        cache: None,
    });
    match request.messages.last_mut() {
        // A message of the user has no results: the last block tells for all of them.
        Some(Message { role: Role::User, content })
            if content.last().is_none_or(|block| matches!(block, Block::ToolResult(_))) =>
        {
            content.push(block);
        }
        _ => request.messages.push(Message { role: Role::User, content: vec![block] }),
    }
    Ok(())
}

fn foreign(name: &str, value: Value<'_>, request: &mut Request<'_>) -> Result<(), Rejected> {
    settle_foreign(TABLE, "input", name, value, &mut request.notes)
}

/// Puts what the assistant said to what it said just before.
fn said_by_assistant<'a>(content: Vec<Block<'a>>, request: &mut Request<'a>) {
    match request.messages.last_mut() {
        Some(Message { role: Role::Assistant, content: before }) => before.extend(content),
        _ => request.messages.push(Message { role: Role::Assistant, content }),
    }
}
