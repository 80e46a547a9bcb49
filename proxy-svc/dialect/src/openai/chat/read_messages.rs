//! The messages of a request.
//!
//! Instructions before the first turn are the system prompt, those behind it stay where they stand. An assistant's
//! message becomes its thoughts, its text and its calls in this order; a message of a tool becomes the user's.

use std::collections::HashSet;

use super::read_parts::{self, Parts};
use super::read_request::foreign;
use super::{read_tools, reasoning};
use crate::canonical::{Block, Message, Role, ToolResult};
use crate::json::Value;
use crate::translate::{Note, Rejected, Seal, calls, read};

pub(super) struct Conversation<'a, 'c> {
    seal: &'c dyn Seal,
    notes: &'c mut Vec<Note>,
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    /// The ids of the calls of custom tools.
    custom: HashSet<String>,
}

/// The members of one message.
#[derive(Default)]
struct Members<'a> {
    role: Option<Value<'a>>,
    content: Option<Value<'a>>,
    name: Option<Value<'a>>,
    refusal: Option<Value<'a>>,
    tool_calls: Option<Value<'a>>,
    function_call: Option<Value<'a>>,
    tool_call_id: Option<Value<'a>>,
    thoughts: reasoning::Given<'a>,
}

impl<'a, 'c> Conversation<'a, 'c> {
    pub(super) fn new(seal: &'c dyn Seal, notes: &'c mut Vec<Note>) -> Self {
        Self { seal, notes, system: Vec::new(), messages: Vec::new(), custom: HashSet::new() }
    }

    /// The system prompt and the turns.
    pub(super) fn into_parts(self) -> (Vec<Block<'a>>, Vec<Message<'a>>) {
        (self.system, self.messages)
    }

    pub(super) fn read(&mut self, value: Value<'a>) -> Result<(), Rejected> {
        read::list("messages", value, |message| self.message(message))?;
        if self.messages.is_empty() && self.system.is_empty() {
            return Err(Rejected::new("messages", "`messages` must not be empty"));
        }
        Ok(())
    }

    fn message(&mut self, value: Value<'a>) -> Result<(), Rejected> {
        let mut members = Members::default();
        for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "role" => members.role = Some(value),
                "content" => members.content = Some(value),
                "name" => members.name = Some(value),
                "refusal" => members.refusal = Some(value),
                "tool_calls" => members.tool_calls = Some(value),
                "function_call" => members.function_call = Some(value),
                "tool_call_id" => members.tool_call_id = Some(value),
                "reasoning_content" => members.thoughts.content = Some(value),
                "reasoning" => members.thoughts.plain = Some(value),
                "reasoning_details" => members.thoughts.details = Some(value),
                _ => foreign("messages", &name, value, self.notes)?,
            }
        }
        let role = members.role.ok_or_else(|| Rejected::missing("role"))?;
        let role = read::string("role", role)?;
        if !matches!(&*role, "tool" | "function")
            && let Some(name) = members.name
        {
            foreign("messages", "name", name, self.notes)?;
        }
        match &*role {
            "system" | "developer" => self.instructions(&members),
            "user" => self.user(&members),
            "assistant" => self.assistant(&members),
            "tool" | "function" => self.result(&members, &role),
            _ => {
                let roles = "`developer`, `system`, `user`, `assistant`, `tool` or `function`";
                Err(Rejected::new("role", format!("`role` must be {roles}")))
            }
        }
    }

    fn content(&mut self, members: &Members<'a>, parts: Parts) -> Result<Vec<Block<'a>>, Rejected> {
        let value = members.content.ok_or_else(|| Rejected::missing("content"))?;
        read_parts::read(value, parts, self.notes)
    }

    fn instructions(&mut self, members: &Members<'a>) -> Result<(), Rejected> {
        let content = self.content(members, Parts::Text)?;
        if self.messages.is_empty() {
            self.system.extend(content);
        } else {
            self.messages.push(Message { role: Role::System, content });
        }
        Ok(())
    }

    fn user(&mut self, members: &Members<'a>) -> Result<(), Rejected> {
        let content = self.content(members, Parts::User)?;
        self.messages.push(Message { role: Role::User, content });
        Ok(())
    }

    fn assistant(&mut self, members: &Members<'a>) -> Result<(), Rejected> {
        let mut content = Vec::new();
        members.thoughts.read(self.seal, &mut content)?;
        if let Some(value) = members.content {
            let said = read_parts::read(value, Parts::Assistant, self.notes)?;
            content
                .extend(said.into_iter().filter(|block| !matches!(block, Block::Text { text, .. } if text.is_empty())));
        }
        if let Some(refusal) = members.refusal {
            let refusal = read::text("refusal", refusal)?;
            if !refusal.is_empty() {
                content.push(Block::Refusal(refusal));
            }
        }
        if let Some(list) = members.tool_calls {
            let (seal, notes) = (self.seal, &mut *self.notes);
            let calls = read::list("tool_calls", list, |call| read_tools::call(call, seal, notes))?;
            let custom = calls.iter().filter(|call| call.is_custom).filter_map(|call| call.id.as_ref());
            self.custom.extend(custom.map(|id| id.decode().into_owned()));
            content.extend(calls.into_iter().map(Block::ToolCall));
        }
        if let Some(call) = members.function_call {
            let call = read_tools::function_call(call).map_err(|rejected| rejected.inside("function_call"))?;
            content.push(Block::ToolCall(call));
        }
        if !content.is_empty() {
            self.messages.push(Message { role: Role::Assistant, content });
        }
        Ok(())
    }

    fn result(&mut self, members: &Members<'a>, role: &str) -> Result<(), Rejected> {
        let content = match members.content {
            Some(value) => read_parts::read(value, Parts::User, self.notes)?,
            None => Vec::new(),
        };
        let name = members.name.map(|name| read::text("name", name)).transpose()?;
        let id = match members.tool_call_id {
            Some(id) => Some(calls::from_caller(self.seal, read::text("tool_call_id", id)?).0),
            None if role == "tool" => return Err(Rejected::missing("tool_call_id")),
            None if name.is_none() => return Err(Rejected::missing("name")),
            None => None,
        };
        let is_custom = id.as_ref().is_some_and(|id| self.custom.contains(&*id.decode()));
        let result = ToolResult { id, name, content, is_error: false, is_custom, cache: None };
        self.messages.push(Message { role: Role::User, content: vec![Block::ToolResult(result)] });
        Ok(())
    }
}
