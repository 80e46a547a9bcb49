//! The conversation for an upstream.
//!
//! The results of an assistant's calls must stand right behind them, one message each. Therefore everything between
//! two turns of the assistant is written as the results, then what the tools showed besides text, then the rest in
//! its order.

use super::content::BREAK;
use super::ids::Ids;
use super::models;
use super::write_parts::{self, Piece};
use super::write_request::Writing;
use super::write_tools;
use crate::canonical::{Block, CacheControl, Message, OutputFormat, Role, Text, ToolCall, ToolResult, join};
use crate::json::write::{Array, Object};
use crate::translate::conversation::texts;
use crate::translate::policy::Feature;
use crate::translate::{How, Rejected};

pub(super) fn write(object: &mut Object<'_>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    let request = writing.request;
    let mut array = object.array("messages");
    instructions(&mut array, &request.system, writing)?;
    if needs_word_json(writing) {
        writing.notes.add(Feature::JsonObject.name(), How::Approximated);
        array.object().string("role", "system").string("content", "Answer with a JSON object.");
    }
    let mut ids = Ids::default();
    let is_same_side =
        |one: &Message<'_>, other: &Message<'_>| (one.role == Role::Assistant) == (other.role == Role::Assistant);
    for side in request.messages.chunk_by(is_same_side) {
        if side.first().is_some_and(|message| message.role == Role::Assistant) {
            assistant(&mut array, side, &mut ids, writing)?;
        } else {
            others(&mut array, side, &mut ids, writing)?;
        }
    }
    if array.is_empty() {
        return Err(Rejected::nothing_said("messages"));
    }
    if request.messages.last().is_some_and(|message| message.role == Role::Assistant) {
        writing.notes.allows(Feature::Prefill)?;
    }
    Ok(())
}

/// OpenAI refuses to answer in JSON where nothing in the conversation says so in words.
fn needs_word_json(writing: &Writing<'_, '_, '_>) -> bool {
    if writing.request.format != OutputFormat::JsonObject {
        return false;
    }
    let blocks = writing.request.messages.iter().flat_map(|message| &message.content);
    let says_json = |text: &Text<'_>| text.decode().to_ascii_lowercase().contains("json");
    !writing.request.system.iter().chain(blocks).any(|block| match block {
        Block::Text { text, .. } => says_json(text),
        _ => false,
    })
}

fn instructions<'a>(
    array: &mut Array<'_>,
    blocks: &[Block<'a>],
    writing: &mut Writing<'_, '_, 'a>,
) -> Result<(), Rejected> {
    for block in blocks {
        if let Block::Text { cache, .. } = block {
            cached(*cache, writing)?;
        }
    }
    let texts: Vec<&Text<'a>> = texts(blocks).filter(|text| !text.is_empty()).collect();
    if !texts.is_empty() {
        array.object().string("role", "system").text("content", &join(texts));
    }
    Ok(())
}

/// Says that the provider is not told where to cache.
pub(super) fn cached(cache: Option<CacheControl>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    if cache.is_some() {
        writing.notes.allows(Feature::CacheControl)?;
    }
    Ok(())
}

/// What the assistant's messages of one turn come to.
#[derive(Default)]
struct Turn<'r, 'a> {
    /// With what stands between them.
    text: Vec<&'r Text<'a>>,
    refusals: Vec<&'r Text<'a>>,
    thoughts: Vec<&'r Text<'a>>,
    calls: Vec<&'r ToolCall<'a>>,
}

impl<'r, 'a> Turn<'r, 'a> {
    /// Neighbouring texts are pieces of one, as streams and citations cut them; others are apart.
    fn of(messages: &'r [Message<'a>], writing: &mut Writing<'_, '_, 'a>) -> Result<Self, Rejected> {
        let mut turn = Self::default();
        let mut is_apart = false;
        for block in messages.iter().flat_map(|message| &message.content) {
            match block {
                Block::Text { text, cache } => {
                    cached(*cache, writing)?;
                    if text.is_empty() {
                        continue;
                    }
                    if is_apart && !turn.text.is_empty() {
                        turn.text.push(&BREAK);
                    }
                    turn.text.push(text);
                    is_apart = false;
                    continue;
                }
                Block::Refusal(text) => turn.refusals.push(text),
                Block::Reasoning(thought) => turn.thought(thought, writing)?,
                Block::ToolCall(call) => {
                    cached(call.cache, writing)?;
                    if call.signature.is_some() {
                        writing.notes.allows(Feature::OthersSignature)?;
                    }
                    turn.calls.push(call);
                }
                Block::Image { .. } | Block::Audio { .. } | Block::Document { .. } => {
                    writing.notes.add("messages.assistant.media", How::Dropped);
                }
                Block::ToolResult(_) => {}
            }
            is_apart = true;
        }
        Ok(turn)
    }

    fn thought(
        &mut self,
        thought: &'r crate::canonical::Reasoning<'a>,
        writing: &mut Writing<'_, '_, 'a>,
    ) -> Result<(), Rejected> {
        if writing.is_compatible && models::wants_thoughts_back(writing.model) && !thought.text.is_empty() {
            self.thoughts.push(&thought.text);
        } else {
            writing.notes.allows(Feature::ReasoningHistory)?;
        }
        Ok(())
    }
}

fn assistant<'a>(
    array: &mut Array<'_>,
    messages: &[Message<'a>],
    ids: &mut Ids,
    writing: &mut Writing<'_, '_, 'a>,
) -> Result<(), Rejected> {
    ids.begin_turn();
    let mut turn = Turn::of(messages, writing)?;
    let has_refusal = !turn.refusals.is_empty() && writing.notes.allows(Feature::RefusalHistory)?;
    if has_refusal && writing.is_compatible {
        for refusal in turn.refusals.drain(..) {
            if !turn.text.is_empty() {
                turn.text.push(&BREAK);
            }
            turn.text.push(refusal);
        }
    }
    if turn.text.is_empty() && turn.refusals.is_empty() && turn.calls.is_empty() {
        return Ok(());
    }
    let mut message = array.object();
    message.string("role", "assistant");
    if has_refusal && !turn.refusals.is_empty() {
        let mut parts = message.array("content");
        if !turn.text.is_empty() {
            parts.object().string("type", "text").texts("text", &turn.text);
        }
        for refusal in &turn.refusals {
            parts.object().string("type", "refusal").text("refusal", refusal);
        }
    } else if turn.text.is_empty() {
        message.null("content");
    } else {
        message.texts("content", &turn.text);
    }
    // What is wanted back is what led to a call; of other turns it is refused.
    if !turn.thoughts.is_empty() && !turn.calls.is_empty() {
        message.texts("reasoning_content", &turn.thoughts);
    }
    if !turn.calls.is_empty() {
        let mut list = message.array("tool_calls");
        for call in turn.calls {
            write_tools::call(&mut list.object(), call, ids, writing)?;
        }
    }
    Ok(())
}

fn others<'r, 'a>(
    array: &mut Array<'_>,
    messages: &'r [Message<'a>],
    ids: &mut Ids,
    writing: &mut Writing<'_, 'r, 'a>,
) -> Result<(), Rejected> {
    let mut pieces = Vec::new();
    for block in messages.iter().flat_map(|message| &message.content) {
        if let Block::ToolResult(result) = block {
            self::result(array, result, ids, &mut pieces, writing)?;
        }
    }
    for message in messages {
        if message.role == Role::System {
            write_parts::user(array, &mut pieces, writing)?;
            writing.notes.allows(Feature::LateSystem)?;
            instructions(array, &message.content, writing)?;
            continue;
        }
        let said = message.content.iter().filter(|block| !matches!(block, Block::ToolResult(_)));
        pieces.extend(said.map(Piece::Block));
    }
    write_parts::user(array, &mut pieces, writing)
}

/// Writes the message of one result. What is not text is left for the user to show.
fn result<'r, 'a>(
    array: &mut Array<'_>,
    result: &'r ToolResult<'a>,
    ids: &mut Ids,
    pieces: &mut Vec<Piece<'r, 'a>>,
    writing: &mut Writing<'_, 'r, 'a>,
) -> Result<(), Rejected> {
    cached(result.cache, writing)?;
    let id = ids.of_result(result);
    let mut texts: Vec<&Text<'_>> = Vec::new();
    let mut has_media = false;
    for block in &result.content {
        match block {
            Block::Text { text, cache } => {
                cached(*cache, writing)?;
                if !texts.is_empty() {
                    texts.push(&BREAK);
                }
                texts.push(text);
            }
            Block::Image { .. } | Block::Audio { .. } | Block::Document { .. } => {
                if !std::mem::replace(&mut has_media, true) {
                    pieces.push(Piece::Label(format!("From the result of the tool call {}:", id.decode())));
                }
                pieces.push(Piece::Block(block));
            }
            _ => {}
        }
    }
    if has_media {
        writing.notes.allows(Feature::ToolResultMedia)?;
        if texts.is_empty() {
            texts.push(&SHOWN);
        }
    }
    if result.is_error && writing.notes.allows(Feature::ToolResultError)? {
        texts.insert(0, &FAILED);
    }
    array.object().string("role", "tool").text("tool_call_id", &id).texts("content", &texts);
    Ok(())
}

static FAILED: Text<'static> = Text::Escaped("Error: ");
static SHOWN: Text<'static> = Text::Escaped("The result is shown in the next message.");
