//! The turns of a request to Gemini.
//!
//! Calls are signed in the running turn, which is what came after the user's last words: Gemini 3 and later refuse the
//! first call of a step there without a signature. A call that another model made has none: it gets the word with
//! which Google lets histories of other models pass.

use std::collections::HashMap;

use super::models::Model;
use super::write_parts::{FILLER, is_own, note_cache, write_block, write_call};
use super::write_result;
use crate::canonical::{Block, Reasoning, Request, ToolCall, ToolResult};
use crate::json::write::{Array, Object};
use crate::translate::conversation::{ToolNames, Turn};
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected};

pub(super) fn write(
    request: &Request<'_>,
    turns: &[Turn<'_, '_>],
    model: Model,
    body: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let running = turns.iter().rposition(is_said_by_user).unwrap_or_default();
    let tools = ToolNames::of(request);
    let mut writer = Writer { tools, notes, contents: body.array("contents"), is_empty: true };
    let mut calls: Vec<&ToolCall<'_>> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        if turn.is_assistant {
            calls = turn.content.iter().filter_map(|block| call(block)).collect();
            writer.model(turn, model.demands_signatures() && index >= running)?;
        } else {
            writer.user(turn, &calls)?;
        }
    }
    if writer.is_empty {
        writer.filler();
    }
    if turns.last().is_some_and(|turn| turn.is_assistant && turn.content.iter().all(|block| call(block).is_none())) {
        writer.notes.allows(Feature::Prefill)?;
    }
    Ok(())
}

fn call<'r, 'a>(block: &'r Block<'a>) -> Option<&'r ToolCall<'a>> {
    match block {
        Block::ToolCall(call) => Some(call),
        _ => None,
    }
}

/// Whether it is more than results of tools.
fn is_said_by_user(turn: &Turn<'_, '_>) -> bool {
    !turn.is_assistant && turn.content.iter().any(|block| !matches!(block, Block::ToolResult(_)))
}

struct Writer<'w, 'r, 'a> {
    tools: ToolNames<'r, 'a>,
    notes: &'w mut Notes,
    contents: Array<'w>,
    is_empty: bool,
}

impl Writer<'_, '_, '_> {
    fn filler(&mut self) {
        let mut content = self.contents.object();
        content.string("role", "user").array("parts").object().string("text", FILLER);
        self.is_empty = false;
    }

    /// Writes a turn, unless nothing of it is left.
    fn model(&mut self, turn: &Turn<'_, '_>, is_signed: bool) -> Result<(), Rejected> {
        let mut kept = Vec::with_capacity(turn.content.len());
        for block in &turn.content {
            let is_kept = match block {
                Block::Text { text, .. } => !text.is_empty(),
                Block::Reasoning(reasoning) => self.keeps(reasoning)?,
                Block::ToolResult(_) => false,
                _ => true,
            };
            if is_kept {
                kept.push(*block);
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        if self.is_empty {
            // A conversation begins with the user.
            self.filler();
        }
        let mut content = self.contents.object();
        let mut parts = content.string("role", "model").array("parts");
        let mut unsigned = is_signed;
        let mut blocks = kept.iter().peekable();
        while let Some(block) = blocks.next() {
            let mut part = parts.object();
            match block {
                Block::Text { text, cache } => {
                    part.text("text", text);
                    note_cache(cache.is_some(), self.notes)?;
                    if let Some(Block::Reasoning(Reasoning { text, signature: Some(signature) })) = blocks.peek()
                        && text.is_empty()
                    {
                        part.text("thoughtSignature", &signature.value);
                        blocks.next();
                    }
                }
                Block::Reasoning(Reasoning { text, signature }) => {
                    part.text("text", text);
                    if !text.is_empty() {
                        part.boolean("thought", true);
                    }
                    if let Some(signature) = signature {
                        part.text("thoughtSignature", &signature.value);
                    }
                }
                Block::ToolCall(call) => {
                    note_cache(call.cache.is_some(), self.notes)?;
                    write_call(call, unsigned, &mut part, self.notes)?;
                    unsigned = false;
                }
                block => write_block(block, &mut part, self.notes)?,
            }
        }
        Ok(())
    }

    /// Whether a thought goes back: when Gemini itself signed it.
    fn keeps(&mut self, reasoning: &Reasoning<'_>) -> Result<bool, Rejected> {
        match &reasoning.signature {
            Some(signature) if is_own(signature) => return Ok(true),
            Some(_) => _ = self.notes.allows(Feature::OthersSignature)?,
            None => {}
        }
        if !reasoning.text.is_empty() {
            self.notes.add(Feature::ReasoningHistory.name(), How::Dropped);
        }
        Ok(false)
    }

    /// Results of tools stand in a turn of their own, in the order of their calls; what else was said stands behind.
    fn user(&mut self, turn: &Turn<'_, '_>, calls: &[&ToolCall<'_>]) -> Result<(), Rejected> {
        let mut results: Vec<&ToolResult<'_>> = Vec::new();
        let mut others = Vec::new();
        for block in &turn.content {
            match block {
                Block::ToolResult(result) => results.push(result),
                Block::Text { text, .. } if text.is_empty() => {}
                Block::Reasoning(_) | Block::ToolCall(_) => {}
                block => others.push(*block),
            }
        }
        let mut places = HashMap::new();
        for (place, id) in calls.iter().enumerate().filter_map(|(place, call)| Some((place, call.id.as_ref()?))) {
            places.entry(id.decode()).or_insert(place);
        }
        let place = |result: &ToolResult<'_>| places.get(&*result.id.as_ref()?.decode()).copied();
        results.sort_by_cached_key(|result| place(result).unwrap_or(usize::MAX));
        if !results.is_empty() {
            let mut content = self.contents.object();
            let mut parts = content.string("role", "user").array("parts");
            for result in &results {
                note_cache(result.cache.is_some(), self.notes)?;
                write_result::write(result, &self.tools, &mut parts.object(), self.notes)?;
            }
            self.is_empty = false;
        }
        let mut media: Vec<&Block<'_>> = Vec::new();
        for block in results.iter().flat_map(|result| &result.content) {
            if !matches!(block, Block::Text { .. }) {
                self.notes.allows(Feature::ToolResultMedia)?;
                media.push(block);
            }
        }
        if !media.is_empty() || !others.is_empty() {
            let mut content = self.contents.object();
            let mut parts = content.string("role", "user").array("parts");
            for block in media.into_iter().chain(others) {
                write_block(block, &mut parts.object(), self.notes)?;
            }
            self.is_empty = false;
        }
        Ok(())
    }
}
