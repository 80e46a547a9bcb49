//! What the user says and shows.

use super::write_messages::cached;
use super::write_request::Writing;
use crate::canonical::{Block, Media, Text, join};
use crate::json::write::{Array, Object};
use crate::translate::Rejected;
use crate::translate::policy::Feature;

/// A piece of a user's message.
pub(super) enum Piece<'r, 'a> {
    Block(&'r Block<'a>),
    /// Says what comes next.
    Label(String),
}

/// Writes the user's message of these pieces, if there are any.
pub(super) fn user(
    array: &mut Array<'_>,
    pieces: &mut Vec<Piece<'_, '_>>,
    writing: &mut Writing<'_, '_, '_>,
) -> Result<(), Rejected> {
    let pieces = std::mem::take(pieces);
    if pieces.is_empty() {
        return Ok(());
    }
    let texts: Option<Vec<&Text<'_>>> = pieces.iter().map(plain).collect();
    let mut message = array.object();
    message.string("role", "user");
    match texts {
        // Not every provider knows that a text can have parts.
        Some(texts) if texts.len() == 1 || writing.is_compatible => {
            message.text("content", &join(texts));
        }
        _ => {
            let mut parts = message.array("content");
            for piece in &pieces {
                match piece {
                    Piece::Label(label) => {
                        parts.object().string("type", "text").string("text", label);
                    }
                    Piece::Block(block) => part(&mut parts, block, writing)?,
                }
            }
            return Ok(());
        }
    }
    for piece in &pieces {
        if let Piece::Block(Block::Text { cache, .. }) = piece {
            cached(*cache, writing)?;
        }
    }
    Ok(())
}

fn plain<'p, 'a>(piece: &'p Piece<'_, 'a>) -> Option<&'p Text<'a>> {
    match piece {
        Piece::Block(Block::Text { text, .. }) => Some(text),
        _ => None,
    }
}

fn part(parts: &mut Array<'_>, block: &Block<'_>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    match block {
        Block::Text { text, cache } => {
            cached(*cache, writing)?;
            parts.object().string("type", "text").text("text", text);
        }
        Block::Image { media, detail, cache } => {
            cached(*cache, writing)?;
            if matches!(media, Media::Url { .. }) && !writing.notes.allows(Feature::ImageUrl)? {
                return Ok(());
            }
            let detail = detail.as_ref().map(|detail| Ok((detail, writing.notes.allows(Feature::ImageDetail)?)));
            let detail = detail.transpose()?.filter(|(_, is_allowed)| *is_allowed);
            let mut part = parts.object();
            let mut image = part.string("type", "image_url").object("image_url");
            url(&mut image, "url", media);
            if let Some((detail, _)) = detail {
                image.text("detail", detail);
            }
        }
        Block::Audio { data, format } => {
            if writing.notes.allows(Feature::AudioInput)? {
                let mut part = parts.object();
                part.string("type", "input_audio").object("input_audio").text("data", data).text("format", format);
            }
        }
        Block::Document { media, name, cache } => {
            cached(*cache, writing)?;
            document(parts, media, name.as_ref(), writing)?;
        }
        // The user neither thinks nor calls; results were written before.
        Block::Reasoning(_) | Block::ToolCall(_) | Block::ToolResult(_) | Block::Refusal(_) => {}
    }
    Ok(())
}

fn document(
    parts: &mut Array<'_>,
    media: &Media<'_>,
    name: Option<&Text<'_>>,
    writing: &mut Writing<'_, '_, '_>,
) -> Result<(), Rejected> {
    match media {
        Media::Plain(text) => {
            let mut part = parts.object();
            part.string("type", "text");
            match name {
                Some(name) => part.texts("text", &[name, &super::content::BREAK, text]),
                None => part.text("text", text),
            };
        }
        Media::Inline { media_type, .. } => {
            if writing.notes.allows(Feature::DocumentInline)? {
                let mut part = parts.object();
                let mut file = part.string("type", "file").object("file");
                match name {
                    Some(name) => file.text("filename", name),
                    None => file.string("filename", file_name(&media_type.decode())),
                };
                url(&mut file, "file_data", media);
            }
        }
        Media::Url { .. } => {
            if writing.notes.allows(Feature::DocumentUrl)? {
                let mut part = parts.object();
                url(&mut part.string("type", "file").object("file"), "file_url", media);
            }
        }
    }
    Ok(())
}

/// OpenAI wants one with its data.
fn file_name(media_type: &str) -> &'static str {
    match media_type {
        "text/plain" => "document.txt",
        "text/markdown" => "document.md",
        "text/csv" => "document.csv",
        "text/html" => "document.html",
        "application/json" => "document.json",
        _ => "document.pdf",
    }
}

fn url(object: &mut Object<'_>, name: &str, media: &Media<'_>) {
    match media {
        Media::Inline { media_type, data } => {
            object.texts(name, &[&Text::Escaped("data:"), media_type, &Text::Escaped(";base64,"), data]);
        }
        Media::Url { url, .. } | Media::Plain(url) => {
            object.text(name, url);
        }
    }
}
