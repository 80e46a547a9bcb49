//! The turns of a caller's request.
//!
//! A signature of a text part stands behind its text as a reasoning block without text: that is where it comes in a
//! stream, too. The writer of requests puts it back onto the part before it.

use std::borrow::Cow;

use super::call_ids::CallIds;
use super::members::{list, members, settle};
use super::{media, read_result};
use crate::Protocol;
use crate::canonical::{Arguments, Block, Message, Reasoning, Role, Signature, Text, ToolCall};
use crate::json::Value;
use crate::translate::{Note, Rejected, Seal, open_signature, read};

pub(super) fn read<'a>(
    name: &str,
    value: Value<'a>,
    seal: &dyn Seal,
    notes: &mut Vec<Note>,
) -> Result<Vec<Message<'a>>, Rejected> {
    let mut reader = Reader { seal, notes, ids: CallIds::default() };
    if let Some(text) = value.text() {
        return Ok(vec![Message { role: Role::User, content: vec![Block::text(text)] }]);
    }
    let mut messages = list(name, value, |content| reader.content(content))?;
    messages.retain(|message| !message.content.is_empty());
    Ok(join_pieces(messages))
}

/// Neighbouring contents of the model become one message.
fn join_pieces(messages: Vec<Message<'_>>) -> Vec<Message<'_>> {
    let mut joined: Vec<Message<'_>> = Vec::with_capacity(messages.len());
    for message in messages {
        match joined.last_mut() {
            Some(last) if last.role == Role::Assistant && message.role == Role::Assistant => {
                message.content.into_iter().for_each(|block| push_piece(&mut last.content, block));
            }
            _ if message.role == Role::Assistant => {
                let mut content = Vec::with_capacity(message.content.len());
                message.content.into_iter().for_each(|block| push_piece(&mut content, block));
                joined.push(Message { content, ..message });
            }
            _ => joined.push(message),
        }
    }
    joined
}

/// Appends a block, or goes on with the last one where this is another piece of it.
fn push_piece<'a>(content: &mut Vec<Block<'a>>, block: Block<'a>) {
    match (content.last_mut(), block) {
        (Some(Block::Text { text, cache: None }), Block::Text { text: more, cache: None }) => append(text, &more),
        (Some(Block::Reasoning(open)), Block::Reasoning(more)) if open.signature.is_none() => {
            append(&mut open.text, &more.text);
            open.signature = more.signature;
        }
        (_, block) => content.push(block),
    }
}

fn append(text: &mut Text<'_>, more: &Text<'_>) {
    if more.is_empty() {
        return;
    }
    match text {
        // In place: there may be very many pieces.
        Text::Plain(Cow::Owned(whole)) => whole.push_str(&more.decode()),
        _ => *text = Text::from([text.decode(), more.decode()].concat()),
    }
}

struct Reader<'r, 'a> {
    seal: &'r dyn Seal,
    notes: &'r mut Vec<Note>,
    ids: CallIds<'a>,
}

/// The members of a part, of which one is its data.
#[derive(Default)]
struct Part<'a> {
    text: Option<Text<'a>>,
    is_thought: bool,
    signature: Option<Signature<'a>>,
    other: Option<Block<'a>>,
}

impl<'a> Reader<'_, 'a> {
    fn content(&mut self, content: Value<'a>) -> Result<Message<'a>, Rejected> {
        let mut message = Message { role: Role::User, content: Vec::new() };
        for (name, value) in members("contents", content)? {
            match &*name {
                "role" => message.role = role(&read::string(&name, value)?)?,
                "parts" => {
                    let parts = list(&name, value, |part| self.part(part))?;
                    for part in parts {
                        part.blocks(&mut message.content);
                    }
                }
                _ => settle("contents", &name, value, self.notes)?,
            }
        }
        Ok(message)
    }

    fn part(&mut self, value: Value<'a>) -> Result<Part<'a>, Rejected> {
        let mut part = Part::default();
        if let Some(text) = value.text() {
            part.text = Some(text);
            return Ok(part);
        }
        for (name, value) in members("parts", value)? {
            match &*name {
                "text" => part.text = Some(read::text(&name, value)?),
                "thought" => part.is_thought = read::boolean(&name, value)?,
                "thoughtSignature" => {
                    part.signature = open_signature(self.seal, Protocol::Gemini, read::text(&name, value)?);
                }
                "inlineData" => part.other = Some(inside(&name, media::read_inline(value, self.notes))?),
                "fileData" => part.other = Some(inside(&name, media::read_file(value, self.notes))?),
                "functionCall" => part.other = Some(inside(&name, self.call(value))?),
                "functionResponse" => {
                    let result = read_result::read(value, self.seal, &mut self.ids, self.notes);
                    part.other = Some(inside(&name, result)?);
                }
                _ => settle("contents.parts", &name, value, self.notes)?,
            }
        }
        Ok(part)
    }

    fn call(&mut self, value: Value<'a>) -> Result<Block<'a>, Rejected> {
        let (mut id, mut tool, mut arguments) = (None, None, Value::EMPTY_OBJECT);
        for (name, value) in members("functionCall", value)? {
            match &*name {
                "id" => id = Some(read::text(&name, value)?),
                "name" => tool = Some(read::text(&name, value)?),
                "args" => arguments = read::object(&name, value)?,
                _ => settle("contents.parts.functionCall", &name, value, self.notes)?,
            }
        }
        let name = tool.ok_or_else(|| Rejected::missing("name"))?;
        let (id, signature) = self.ids.call(id, &name, self.seal);
        let arguments = Arguments::Object(arguments);
        Ok(Block::ToolCall(ToolCall { id: Some(id), name, arguments, is_custom: false, signature, cache: None }))
    }
}

fn inside<T>(name: &str, read: Result<T, Rejected>) -> Result<T, Rejected> {
    read.map_err(|rejected| if rejected.param == name { rejected } else { rejected.inside(name) })
}

fn role(word: &str) -> Result<Role, Rejected> {
    match word {
        "" | "user" | "function" | "tool" => Ok(Role::User),
        "model" => Ok(Role::Assistant),
        _ => Err(Rejected::new("role", "`role` must be `user` or `model`")),
    }
}

impl<'a> Part<'a> {
    fn blocks(self, content: &mut Vec<Block<'a>>) {
        let Self { text, is_thought, signature, other } = self;
        match other {
            Some(Block::ToolCall(call)) => {
                content.push(Block::ToolCall(ToolCall { signature: signature.or(call.signature), ..call }));
            }
            Some(block) => content.push(block),
            None if is_thought => {
                let text = text.unwrap_or(Text::EMPTY);
                if !text.is_empty() || signature.is_some() {
                    content.push(Block::Reasoning(Reasoning { text, signature }));
                }
            }
            None => {
                content.extend(text.filter(|text| !text.is_empty()).map(Block::text));
                if signature.is_some() {
                    content.push(Block::Reasoning(Reasoning { text: Text::EMPTY, signature }));
                }
            }
        }
    }
}
