//! Writes the content of messages, block by block.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::canonical::{Block, CacheControl, Media, Text, ToolResult};
use crate::json::write::{Array, Object};
use crate::translate::policy::Feature;
use crate::translate::{Notes, Rejected};

use super::arrange::{Arranged, Piece};
use super::thoughts::Proof;
use super::write_tools::RULE;

pub(super) fn write_message(
    message: &Arranged<'_, '_>,
    messages: &mut Array<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let mut object = messages.object();
    object.string("role", if message.is_assistant { "assistant" } else { "user" });
    let mut content = object.array("content");
    for piece in &message.pieces {
        write_piece(piece, &mut content, notes)?;
    }
    Ok(())
}

fn write_piece(piece: &Piece<'_, '_>, content: &mut Array<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match piece {
        Piece::Text(text, cache) => write_text(content, text, *cache),
        Piece::Media(block) => write_media(block, content, notes)?,
        Piece::Thought(thought, signature) => {
            Proof::own(&signature.value).write(&mut content.object(), &thought.text);
        }
        Piece::Call(id, call) => {
            let mut object = content.object();
            object.string("type", "tool_use").string("id", id);
            object.string("name", &notes.names.fit(&call.name.decode(), RULE));
            call.arguments.write_as_object(&mut object, "input");
            write_cache(&mut object, call.cache);
        }
        Piece::Result(id, result) => {
            if result.is_custom {
                notes.allows(Feature::CustomTools)?;
            }
            write_result(id, result, &mut content.object(), notes)?;
        }
    }
    Ok(())
}

pub(super) fn write_text(content: &mut Array<'_>, text: &Text<'_>, cache: Option<CacheControl>) {
    let mut object = content.object();
    object.string("type", "text").text("text", text);
    write_cache(&mut object, cache);
}

pub(super) fn write_cache(object: &mut Object<'_>, cache: Option<CacheControl>) {
    let Some(cache) = cache else { return };
    let mut object = object.object("cache_control");
    object.string("type", "ephemeral");
    if cache == CacheControl::OneHour {
        object.string("ttl", "1h");
    }
}

fn write_result(id: &str, result: &ToolResult<'_>, object: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    object.string("type", "tool_result").string("tool_use_id", id);
    if result.is_error {
        notes.allows(Feature::ToolResultError)?;
        object.boolean("is_error", true);
    }
    write_cache(object, result.cache);
    let mut said = result.content.iter().filter(|block| !matches!(block, Block::Text { text, .. } if text.is_blank()));
    match (said.next(), said.next()) {
        // An error has to say something.
        (None, _) if result.is_error => {
            object.string("content", "error");
        }
        (None, _) => {}
        (Some(Block::Text { text, cache: None }), None) => {
            object.text("content", text);
        }
        (Some(_), _) => {
            let mut content = object.array("content");
            for block in &result.content {
                match block {
                    Block::Text { text, .. } if text.is_blank() => {}
                    Block::Text { text, cache } => write_text(&mut content, text, *cache),
                    other => {
                        notes.allows(Feature::ToolResultMedia)?;
                        write_media(other, &mut content, notes)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn write_media(block: &Block<'_>, content: &mut Array<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match block {
        Block::Image { media, detail, cache } => {
            if detail.as_ref().is_some_and(|detail| *detail != "auto") {
                notes.allows(Feature::ImageDetail)?;
            }
            let mut object = content.object();
            object.string("type", "image");
            write_image(media, &mut object.object("source"), notes)?;
            write_cache(&mut object, *cache);
        }
        Block::Document { media, name, cache } => {
            let mut object = content.object();
            object.string("type", "document");
            write_document(media, &mut object.object("source"), notes)?;
            if let Some(name) = name.as_ref().filter(|name| !name.is_blank()) {
                object.text("title", name);
            }
            write_cache(&mut object, *cache);
        }
        Block::Audio { .. } => {
            notes.allows(Feature::AudioInput)?;
        }
        _ => return Err(Rejected::new("messages", "`messages`: a block stands where it cannot be")),
    }
    Ok(())
}

fn write_image(media: &Media<'_>, source: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match media {
        Media::Inline { media_type, data } => {
            let kind = match &*media_type.decode().to_ascii_lowercase() {
                "image/jpeg" | "image/jpg" => "image/jpeg",
                "image/png" => "image/png",
                "image/gif" => "image/gif",
                "image/webp" => "image/webp",
                _ => {
                    let message = "images must be JPEG, PNG, GIF or WebP for this model's provider";
                    return Err(Rejected::new("messages", message));
                }
            };
            source.string("type", "base64").string("media_type", kind).text("data", data);
        }
        Media::Url { url, .. } => {
            let decoded = url.decode();
            if let Some(media) = in_url(&decoded) {
                return write_image(&media, source, notes);
            }
            notes.allows(Feature::ImageUrl)?;
            write_url(url, source)?;
        }
        Media::Plain(_) => return Err(Rejected::new("messages", "an image cannot be plain text")),
    }
    Ok(())
}

fn write_document(media: &Media<'_>, source: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    match media {
        Media::Plain(text) => {
            notes.allows(Feature::DocumentInline)?;
            source.string("type", "text").string("media_type", "text/plain").text("data", text);
        }
        Media::Inline { media_type, data } => {
            notes.allows(Feature::DocumentInline)?;
            let media_type = media_type.decode().to_ascii_lowercase();
            if media_type == "application/pdf" {
                source.string("type", "base64").string("media_type", "application/pdf").text("data", data);
                return Ok(());
            }
            let text = decoded(&media_type, data)
                .ok_or_else(|| Rejected::new("messages", "documents must be PDF or text for this model's provider"))?;
            source.string("type", "text").string("media_type", "text/plain").string("data", &text);
        }
        Media::Url { url, .. } => {
            let decoded = url.decode();
            if let Some(media) = in_url(&decoded) {
                return write_document(&media, source, notes);
            }
            notes.allows(Feature::DocumentUrl)?;
            write_url(url, source)?;
        }
    }
    Ok(())
}

/// A text that came as base64: Anthropic takes documents of text as text alone.
fn decoded(media_type: &str, data: &Text<'_>) -> Option<String> {
    let is_text = media_type.starts_with("text/") || matches!(media_type, "application/json" | "application/xml");
    let bytes = STANDARD.decode(data.decode().as_bytes()).ok().filter(|_| is_text)?;
    String::from_utf8(bytes).ok()
}

/// What a `data:` URL holds.
fn in_url(url: &str) -> Option<Media<'_>> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    let (media_type, _) = kind.split_once(';').unwrap_or((kind, ""));
    Some(Media::Inline { media_type: Text::from(media_type), data: Text::from(data) })
}

fn write_url(url: &Text<'_>, source: &mut Object<'_>) -> Result<(), Rejected> {
    let decoded = url.decode();
    if !decoded.starts_with("https://") {
        return Err(Rejected::new("messages", "this model's provider fetches `https` URLs alone"));
    }
    source.string("type", "url").text("url", url);
    Ok(())
}
