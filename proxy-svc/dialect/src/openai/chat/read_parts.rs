//! What a message of a request holds: a text, or a list of parts.

use super::content;
use super::read_request::foreign;
use crate::canonical::{Block, CacheControl, Media, Reasoning, Text, join};
use crate::json::Value;
use crate::translate::{How, Note, Rejected, read};

/// Which parts a message may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Instructions.
    Text,
    User,
    Assistant,
}

pub(super) fn read<'a>(value: Value<'a>, parts: Parts, notes: &mut Vec<Note>) -> Result<Vec<Block<'a>>, Rejected> {
    match value.text() {
        Some(text) => Ok(vec![Block::text(text)]),
        None => read::list("content", value, |part| self::part(part, parts, notes)),
    }
}

fn part<'a>(value: Value<'a>, parts: Parts, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    // Some clients put bare texts among the parts.
    if let Some(text) = value.text() {
        return Ok(Block::text(text));
    }
    let kind = read::object("", value)?.get("type").ok_or_else(|| Rejected::missing("type"))?;
    let kind = read::string("type", kind)?;
    let mut found = None;
    let mut cache = None;
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "type" => {}
            "cache_control" => cache = cached(value, "1h"),
            "prompt_cache_breakpoint" => {
                cache = cached(value, "12h");
                foreign("messages.content", &name, value, notes)?;
            }
            name if name == &*kind => found = Some(value),
            name => foreign("messages.content", name, value, notes)?,
        }
    }
    let found = found.ok_or_else(|| Rejected::missing(&kind))?;
    match (&*kind, parts) {
        ("text", _) => Ok(Block::Text { text: read::text("text", found)?, cache }),
        ("refusal", Parts::Assistant) => Ok(Block::Refusal(read::text("refusal", found)?)),
        ("thinking", Parts::Assistant) => {
            let mut texts = Vec::new();
            content::each_thought(found, &mut |text| texts.push(text));
            Ok(Block::Reasoning(Reasoning { text: join(&texts), signature: None }))
        }
        ("image_url", Parts::User) => image(found, cache, notes).map_err(|rejected| rejected.inside("image_url")),
        ("input_audio", Parts::User) => {
            if cache.is_some() {
                notes.push(Note::new("messages.content.input_audio.cache_control", How::Dropped));
            }
            audio(found, notes).map_err(|rejected| rejected.inside("input_audio"))
        }
        ("file", Parts::User) => file(found, cache, notes).map_err(|rejected| rejected.inside("file")),
        _ => Err(Rejected::new("type", "`type` is none of the content parts that this role may have")),
    }
}

/// Anthropic's `cache_control`, which clients send in this protocol too, and OpenAI's own mark have the same shape.
pub(super) fn cached(value: Value<'_>, long: &str) -> Option<CacheControl> {
    value.members().next()?;
    let is_long = value.get("ttl").and_then(Value::string).is_some_and(|ttl| ttl == long);
    Some(if is_long { CacheControl::OneHour } else { CacheControl::FiveMinutes })
}

fn image<'a>(value: Value<'a>, cache: Option<CacheControl>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    // Some clients write the URL where the object should be.
    if let Some(url) = value.text() {
        return Ok(Block::Image { media: content::media("", url)?, detail: None, cache });
    }
    let (mut media, mut detail) = (None, None);
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "url" => media = Some(content::media("url", read::text("url", value)?)?),
            // The default says nothing.
            "detail" => detail = Some(read::text("detail", value)?).filter(|word| *word != "auto"),
            _ => foreign("messages.content.image_url", &name, value, notes)?,
        }
    }
    Ok(Block::Image { media: media.ok_or_else(|| Rejected::missing("url"))?, detail, cache })
}

fn audio<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut data, mut format) = (None, None);
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "data" => data = Some(read::text("data", value)?),
            "format" => format = Some(read::text("format", value)?),
            _ => foreign("messages.content.input_audio", &name, value, notes)?,
        }
    }
    Ok(Block::Audio {
        data: data.ok_or_else(|| Rejected::missing("data"))?,
        format: format.ok_or_else(|| Rejected::missing("format"))?,
    })
}

fn file<'a>(value: Value<'a>, cache: Option<CacheControl>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut data, mut file_name) = (None, None);
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "file_data" => data = Some(read::text("file_data", value)?),
            "filename" => file_name = Some(read::text("filename", value)?),
            _ => foreign("messages.content.file", &name, value, notes)?,
        }
    }
    let data = data.ok_or_else(|| Rejected::missing("file_data"))?;
    let media = if content::is_url(&data) {
        content::media("file_data", data)?
    } else {
        Media::Inline { media_type: Text::Escaped(content::media_type(file_name.as_ref())), data }
    };
    Ok(Block::Document { media, name: file_name, cache })
}
