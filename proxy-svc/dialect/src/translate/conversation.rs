//! What the writers of requests ask about a whole conversation.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::canonical::{Block, Message, Request, Role, Text, ToolCall};

/// Neighbouring messages of the same side as one turn, and instructions from among them taken out: for protocols in
/// which turns alternate and instructions stand before them.
#[derive(Debug, Default)]
pub(crate) struct Turns<'r, 'a> {
    pub(crate) turns: Vec<Turn<'r, 'a>>,
    /// Texts of the instructions that stood behind the first turn.
    pub(crate) late_system: Vec<&'r Text<'a>>,
}

#[derive(Debug)]
pub(crate) struct Turn<'r, 'a> {
    pub(crate) is_assistant: bool,
    pub(crate) content: Vec<&'r Block<'a>>,
}

impl<'r, 'a> Turns<'r, 'a> {
    pub(crate) fn of(messages: &'r [Message<'a>]) -> Self {
        let mut found = Self::default();
        for message in messages {
            if message.role == Role::System {
                found.late_system.extend(texts(&message.content));
                continue;
            }
            let is_assistant = message.role == Role::Assistant;
            match found.turns.last_mut() {
                Some(turn) if turn.is_assistant == is_assistant => turn.content.extend(&message.content),
                _ => found.turns.push(Turn { is_assistant, content: message.content.iter().collect() }),
            }
        }
        found
    }
}

/// The texts among blocks.
pub(crate) fn texts<'r, 'a>(blocks: &'r [Block<'a>]) -> impl Iterator<Item = &'r Text<'a>> {
    blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text),
        _ => None,
    })
}

/// The names of the tools that the ids of calls stand for. Of two calls with one id, the later message's counts.
#[derive(Debug, Default)]
pub(crate) struct ToolNames<'r, 'a>(HashMap<Cow<'r, str>, &'r Text<'a>>);

impl<'r, 'a> ToolNames<'r, 'a> {
    pub(crate) fn of(request: &'r Request<'a>) -> Self {
        let mut names = HashMap::new();
        for block in request.messages.iter().rev().flat_map(|message| &message.content) {
            if let Block::ToolCall(ToolCall { id: Some(id), name, .. }) = block {
                names.entry(id.decode()).or_insert(name);
            }
        }
        Self(names)
    }

    pub(crate) fn get(&self, id: &Text<'_>) -> Option<&'r Text<'a>> {
        self.0.get(&*id.decode()).copied()
    }
}
