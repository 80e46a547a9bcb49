//! The parts of a request to Gemini.

use super::media;
use super::write_tools::NAMES;
use crate::Protocol;
use crate::canonical::{Block, Media, Signature, Text, ToolCall};
use crate::json::write::Object;
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected};

/// Google's documentation of signatures names it, for calls that Gemini did not make.
const UNSIGNED: &str = "skip_thought_signature_validator";
/// Contents must say something, and this says nothing.
pub(super) const FILLER: &str = " ";

pub(super) fn is_own(signature: &Signature<'_>) -> bool {
    signature.origin == Protocol::Gemini
}

pub(super) fn note_cache(is_asked: bool, notes: &mut Notes) -> Result<(), Rejected> {
    if is_asked {
        notes.allows(Feature::CacheControl)?;
    }
    Ok(())
}

/// `is_demanded`: it is refused without a signature.
pub(super) fn write_call(
    call: &ToolCall<'_>,
    is_demanded: bool,
    part: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let mut function = part.object("functionCall");
    if let Some(id) = call.id.as_ref().filter(|id| !id.is_empty()) {
        function.text("id", id);
    }
    function.string("name", &notes.names.fit(&call.name.decode(), NAMES));
    call.arguments.write_as_object(&mut function, "args");
    drop(function);
    match &call.signature {
        Some(signature) if is_own(signature) => _ = part.text("thoughtSignature", &signature.value),
        other => {
            if other.is_some() {
                notes.allows(Feature::OthersSignature)?;
            }
            if is_demanded {
                notes.add(Feature::OthersSignature.name(), How::Approximated);
                part.string("thoughtSignature", UNSIGNED);
            }
        }
    }
    Ok(())
}

pub(super) fn write_block(block: &Block<'_>, part: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match block {
        Block::Text { text, cache } => {
            note_cache(cache.is_some(), notes)?;
            part.text("text", text);
        }
        Block::Image { media, detail, cache } => {
            note_cache(cache.is_some(), notes)?;
            if detail.is_some() {
                notes.allows(Feature::ImageDetail)?;
            }
            if matches!(media, Media::Url { .. }) {
                notes.allows(Feature::ImageUrl)?;
            }
            media::write(part, media, "image/jpeg");
        }
        Block::Audio { data, format } => {
            notes.allows(Feature::AudioInput)?;
            media::write_audio(part, data, format);
        }
        Block::Document { media, cache, .. } => {
            note_cache(cache.is_some(), notes)?;
            let is_url = matches!(media, Media::Url { .. });
            notes.allows(if is_url { Feature::DocumentUrl } else { Feature::DocumentInline })?;
            media::write(part, media, "application/pdf");
        }
        Block::Refusal(text) => {
            notes.allows(Feature::RefusalHistory)?;
            let text = if text.is_empty() { &Text::Escaped(FILLER) } else { text };
            part.text("text", text);
        }
        Block::Reasoning(_) | Block::ToolCall(_) | Block::ToolResult(_) => _ = part.string("text", FILLER),
    }
    Ok(())
}
