//! A conversation as Anthropic wants it: the user first, results of tools together and in front of what else their turn
//! says, no blank texts, no empty turns, no space at the end of a prefill.

use std::borrow::Cow;

use crate::Protocol;
use crate::canonical::{Block, CacheControl, Reasoning, Signature, Text, ToolCall, ToolResult};
use crate::translate::conversation::{Turn, Turns};
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected};

use super::calls::Calls;

/// Said by a user who says nothing where somebody has to speak.
const FILLER: &str = "(continue)";

/// One message that will be written.
#[derive(Debug)]
pub(super) struct Arranged<'r, 'a> {
    pub(super) is_assistant: bool,
    pub(super) pieces: Vec<Piece<'r, 'a>>,
}

/// One block that will be written.
#[derive(Debug)]
pub(super) enum Piece<'r, 'a> {
    Text(Cow<'r, Text<'a>>, Option<CacheControl>),
    /// An image or a document.
    Media(&'r Block<'a>),
    Thought(&'r Reasoning<'a>, &'r Signature<'a>),
    Call(String, &'r ToolCall<'a>),
    Result(String, &'r ToolResult<'a>),
}

pub(super) fn arrange<'r, 'a>(turns: &Turns<'r, 'a>, notes: &mut Notes) -> Result<Vec<Arranged<'r, 'a>>, Rejected> {
    let mut calls = Calls::default();
    let mut arranged: Vec<Arranged<'r, 'a>> = Vec::with_capacity(turns.turns.len() + 1);
    if turns.turns.first().is_none_or(|turn| turn.is_assistant) {
        notes.add("messages", How::Defaulted);
        arranged.push(filler());
    }
    for turn in &turns.turns {
        if turn.is_assistant {
            calls.settle()?;
            let pieces = assistant(turn, &mut calls, notes)?;
            if !pieces.is_empty() {
                arranged.push(Arranged { is_assistant: true, pieces });
            }
        } else {
            let pieces = user(turn, &mut calls)?;
            calls.settle()?;
            if pieces.is_empty() {
                notes.add("messages", How::Defaulted);
                arranged.push(filler());
            } else {
                arranged.push(Arranged { is_assistant: false, pieces });
            }
        }
    }
    calls.settle()?;
    Ok(arranged)
}

/// What a model goes on from has no space at its end. For one that begins anew (`is_taken` is false) the user speaks
/// once more.
pub(super) fn end(arranged: &mut Vec<Arranged<'_, '_>>, is_taken: bool, thinks: bool, notes: &mut Notes) {
    let Some(last) = arranged.last_mut().filter(|last| last.is_assistant) else { return };
    if !is_taken {
        notes.add(Feature::Prefill.name(), How::Approximated);
        arranged.push(filler());
        return;
    }
    if !thinks {
        last.pieces.retain(|piece| !matches!(piece, Piece::Thought(..)));
    }
    while let Some(Piece::Text(text, _)) = last.pieces.last_mut() {
        let decoded = text.decode();
        let trimmed = decoded.trim_end();
        if trimmed.is_empty() {
            drop(decoded);
            last.pieces.pop();
            continue;
        }
        if trimmed.len() < decoded.len() {
            let trimmed = Text::from(trimmed.to_owned());
            drop(decoded);
            *text = Cow::Owned(trimmed);
        }
        break;
    }
    if last.pieces.is_empty() {
        arranged.pop();
    }
}

/// Whether the calls that are being answered came without the thoughts that led to them. The thoughts stand at the
/// beginning of the first of the assistant's turns since the user last spoke.
pub(super) fn lacks_thoughts(arranged: &[Arranged<'_, '_>]) -> bool {
    let mut first = None;
    let mut turns = arranged.iter().rev();
    while let Some(answers) = turns.next() {
        let is_answered = answers.pieces.iter().any(|piece| matches!(piece, Piece::Result(..)));
        match turns.next() {
            Some(asking) if is_answered => first = Some(asking),
            _ => break,
        }
    }
    first.is_some_and(|turn| !matches!(turn.pieces.first(), Some(Piece::Thought(..))))
}

fn filler<'r, 'a>() -> Arranged<'r, 'a> {
    Arranged { is_assistant: false, pieces: vec![Piece::Text(Cow::Owned(Text::Escaped(FILLER)), None)] }
}

fn user<'r, 'a>(turn: &Turn<'r, 'a>, calls: &mut Calls) -> Result<Vec<Piece<'r, 'a>>, Rejected> {
    let (mut pieces, mut others) = (Vec::new(), Vec::new());
    for block in &turn.content {
        match block {
            Block::ToolResult(result) => pieces.push(Piece::Result(calls.result(result)?, result)),
            Block::Text { text, cache } if !is_blank(text) => others.push(Piece::Text(Cow::Borrowed(text), *cache)),
            Block::Refusal(text) if !is_blank(text) => others.push(Piece::Text(Cow::Borrowed(text), None)),
            Block::Text { .. } | Block::Refusal(_) | Block::Reasoning(_) => {}
            Block::Image { .. } | Block::Document { .. } | Block::Audio { .. } => others.push(Piece::Media(block)),
            Block::ToolCall(_) => {
                return Err(Rejected::new("messages", "`messages`: only the assistant calls tools"));
            }
        }
    }
    pieces.append(&mut others);
    Ok(pieces)
}

fn assistant<'r, 'a>(
    turn: &Turn<'r, 'a>,
    calls: &mut Calls,
    notes: &mut Notes,
) -> Result<Vec<Piece<'r, 'a>>, Rejected> {
    let mut pieces = Vec::with_capacity(turn.content.len());
    for block in &turn.content {
        match block {
            Block::Text { text, cache } if !is_blank(text) => pieces.push(Piece::Text(Cow::Borrowed(text), *cache)),
            Block::Text { .. } => {}
            Block::Refusal(text) => {
                if notes.allows(Feature::RefusalHistory)? && !is_blank(text) {
                    pieces.push(Piece::Text(Cow::Borrowed(text), None));
                }
            }
            Block::Reasoning(thought) => pieces.extend(thoughts(thought, notes)?),
            Block::ToolCall(call) => {
                if call.is_custom {
                    notes.allows(Feature::CustomTools)?;
                }
                if call.signature.as_ref().is_some_and(|signature| signature.origin != Protocol::Anthropic) {
                    notes.allows(Feature::OthersSignature)?;
                }
                pieces.push(Piece::Call(calls.call(call), call));
            }
            Block::Image { .. } | Block::Document { .. } | Block::Audio { .. } => {
                let message =
                    "`messages`: images, documents and sound of the assistant cannot be sent to this model's provider";
                return Err(Rejected::new("messages", message));
            }
            Block::ToolResult(_) => {
                return Err(Rejected::new("messages", "`messages`: results of tools are the user's"));
            }
        }
    }
    Ok(pieces)
}

/// A thought goes with its own provider's signature or not at all.
fn thoughts<'r, 'a>(thought: &'r Reasoning<'a>, notes: &mut Notes) -> Result<Option<Piece<'r, 'a>>, Rejected> {
    match &thought.signature {
        Some(signature) if signature.origin == Protocol::Anthropic => {
            return Ok(notes.allows(Feature::ReasoningHistory)?.then_some(Piece::Thought(thought, signature)));
        }
        Some(_) => {
            notes.allows(Feature::OthersSignature)?;
        }
        None => {}
    }
    if !thought.text.is_empty() {
        notes.add(Feature::ReasoningHistory.name(), How::Dropped);
    }
    Ok(None)
}

/// Most texts show it by their first character.
fn is_blank(text: &Text<'_>) -> bool {
    match text {
        Text::Escaped(inner) if inner.starts_with(|first: char| !first.is_whitespace() && first != '\\') => false,
        _ => text.is_blank(),
    }
}
