//! How many tokens a conversation takes: by the provider, in whichever protocol the question was put, and by an
//! estimate where the provider does not count.

use super::{Format, Notes, Rejected, Target, Written};
use crate::canonical::{Arguments, Block, Media, Request, Sampling, ToolResult};
use crate::json::Value;
use crate::json::write::Object;

/// The usual rule of thumb for English text.
const BYTES_PER_TOKEN: u64 = 4;
/// For the frame of a message, a tool or the instructions.
const TOKENS_PER_FRAME: u64 = 4;
/// Of the order of what the providers count for a picture of usual size.
const TOKENS_PER_IMAGE: u64 = 800;
/// Base64 characters of a document or a sound that come to one token.
const CHARACTERS_PER_MEDIA_TOKEN: u64 = 40;

/// Writes the question for a target; `None` when the target does not count.
pub fn write_count_request(request: &Request<'_>, target: &Target<'_>) -> Result<Option<Written>, Rejected> {
    let codec = target.format.codec();
    let Some(path) = codec.count_path(target.model) else { return Ok(None) };
    codec.check_model(target.model)?;
    // What shapes only the answer is not counted.
    let counted = Request {
        sampling: Sampling::default(),
        stop: Vec::new(),
        max_output_tokens: None,
        stream: false,
        include_usage: false,
        ..request.clone()
    };
    let mut notes = Notes::new(target.format, &request.notes);
    let mut conversation = Vec::with_capacity(1024);
    codec.write_request(&counted, target, &mut notes, &mut conversation)?;
    let mut body = Vec::with_capacity(conversation.len() + 64);
    codec.write_count_body(Value::parse(&conversation).unwrap_or(Value::EMPTY_OBJECT), target.model, &mut body);
    let (notes, names) = notes.into_parts();
    Ok(Some(Written { body, path, notes, names }))
}

/// The count in a target's answer.
pub(super) fn read_count(format: Format, body: &[u8]) -> Option<u64> {
    format.codec().read_count(Value::parse(body).ok()?)
}

/// A count for the caller.
pub fn write_count(format: Format, tokens: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    format.codec().write_count(tokens, &mut out);
    out
}

/// Copies some members of an object.
pub(crate) fn write_only(object: &mut Object<'_>, value: Value<'_>, names: &[&str]) {
    for (name, value) in value.members() {
        if names.contains(&&*name) {
            object.value(&name, value);
        }
    }
}

/// An estimate for providers that do not count: text by its bytes, a fixed figure for each image and each frame.
/// Documented in `docs/api/translation.md`.
pub fn estimate_tokens(request: &Request<'_>) -> u64 {
    let tools = request.tools.iter().map(|tool| {
        let text = tool.name.decode().len()
            + tool.description.as_ref().map_or(0, |text| text.decode().len())
            + tool.parameters.map_or(0, |schema| schema.raw().len());
        TOKENS_PER_FRAME + tokens(text)
    });
    let messages = request.messages.iter().map(|message| TOKENS_PER_FRAME + blocks(&message.content));
    let system = if request.system.is_empty() { 0 } else { TOKENS_PER_FRAME + blocks(&request.system) };
    system + tools.sum::<u64>() + messages.sum::<u64>()
}

fn blocks(blocks: &[Block<'_>]) -> u64 {
    blocks.iter().map(block).sum()
}

fn block(block: &Block<'_>) -> u64 {
    match block {
        Block::Text { text, .. } | Block::Refusal(text) | Block::Document { media: Media::Plain(text), .. } => {
            tokens(text.decode().len())
        }
        Block::Image { .. } | Block::Document { media: Media::Url { .. }, .. } => TOKENS_PER_IMAGE,
        Block::Audio { data, .. } | Block::Document { media: Media::Inline { data, .. }, .. } => {
            data.decode().len() as u64 / CHARACTERS_PER_MEDIA_TOKEN
        }
        // Thoughts of earlier turns are not read again.
        Block::Reasoning(_) => 0,
        Block::ToolCall(call) => {
            let arguments = match &call.arguments {
                Arguments::Object(value) => value.raw().len(),
                Arguments::Written(text) => text.decode().len(),
            };
            TOKENS_PER_FRAME + tokens(call.name.decode().len() + arguments)
        }
        Block::ToolResult(ToolResult { content, .. }) => TOKENS_PER_FRAME + blocks(content),
    }
}

const fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}
