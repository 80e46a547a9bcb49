//! What the writers of requests ask about a whole conversation.

use crate::canonical::{Block, Message, Request, Role, Text};

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

/// The name of the tool that a call's id stands for, from the calls in the conversation.
pub(crate) fn tool_name<'r, 'a>(request: &'r Request<'a>, id: &Text<'_>) -> Option<&'r Text<'a>> {
    let id = id.decode();
    request.messages.iter().rev().flat_map(|message| &message.content).find_map(|block| match block {
        Block::ToolCall(call) if call.id.as_ref().is_some_and(|found| found.decode() == id) => Some(&call.name),
        _ => None,
    })
}
