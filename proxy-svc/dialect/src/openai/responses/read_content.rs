//! The parts of a caller's messages and of tools' results.

use crate::canonical::{Block, CacheControl, Media, Text};
use crate::json::{Kind, Value};
use crate::translate::read::{object, settle_foreign, string, text};
use crate::translate::{How, Note, Rejected};

use super::foreign::{TABLE, refuse_part};
use super::media;

/// A string, or a list of parts.
pub(super) fn read<'a>(name: &str, value: Value<'a>, notes: &mut Vec<Note>) -> Result<Vec<Block<'a>>, Rejected> {
    match value.kind() {
        Kind::String => Ok(vec![Block::text(text(name, value)?)]),
        Kind::Array => crate::translate::read::list(name, value, |part| part_of(part, notes)),
        _ => Err(Rejected::new(name, format!("`{name}` must be a string or an array"))),
    }
}

fn part_of<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    if part.kind() != Kind::Object {
        return Err(Rejected::wrong_type("", Kind::Object));
    }
    let kind = part.get("type").ok_or_else(|| Rejected::missing("type"))?;
    match &*string("type", kind)? {
        "input_text" | "output_text" | "text" => text_part(part, notes),
        "refusal" => Ok(Block::Refusal(only(part, "refusal", notes)?)),
        "input_image" => image_part(part, notes),
        "input_file" => file_part(part, notes),
        "input_audio" => audio_part(part, notes),
        other => Err(refuse_part(other)),
    }
}

fn text_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut found, mut cache) = (None, None);
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "text" => found = Some(text(&name, value)?),
            "prompt_cache_breakpoint" => cache = breakpoint(value, notes)?,
            // An answer that is given back always has the list.
            "annotations" if value.elements().next().is_none() => {}
            _ => foreign(&name, value, notes)?,
        }
    }
    Ok(Block::Text { text: found.ok_or_else(|| Rejected::missing("text"))?, cache })
}

/// A part with one member besides its type.
fn only<'a>(part: Value<'a>, wanted: &str, notes: &mut Vec<Note>) -> Result<Text<'a>, Rejected> {
    let mut found = None;
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        if name == wanted {
            found = Some(text(wanted, value)?);
        } else {
            foreign(&name, value, notes)?;
        }
    }
    found.ok_or_else(|| Rejected::missing(wanted))
}

fn image_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut media, mut detail, mut cache) = (None, None, None);
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            // An object with the URL inside is how chat completions say it, and a common slip.
            "image_url" if value.kind() == Kind::Object => {
                let url = value.get("url").ok_or_else(|| Rejected::missing("url").inside("image_url"))?;
                media = Some(media::from_url("image_url", text("image_url", url)?)?);
            }
            "image_url" => media = Some(media::from_url("image_url", text(&name, value)?)?),
            "detail" => detail = Some(text(&name, value)?).filter(|word| *word != "auto"),
            "prompt_cache_breakpoint" => cache = breakpoint(value, notes)?,
            _ => foreign(&name, value, notes)?,
        }
    }
    Ok(Block::Image { media: media.ok_or_else(|| Rejected::missing("image_url"))?, detail, cache })
}

fn file_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut data, mut url, mut file_name, mut cache) = (None, None, None, None);
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "file_data" => data = Some(text(&name, value)?),
            "file_url" => url = Some(text(&name, value)?),
            "filename" => file_name = Some(text(&name, value)?),
            "prompt_cache_breakpoint" => cache = breakpoint(value, notes)?,
            _ => foreign(&name, value, notes)?,
        }
    }
    let media = match (data, url) {
        (Some(data), _) => media::from_file_data(data, file_name.as_ref())?,
        (None, Some(url)) => media::from_url("file_url", url)?,
        (None, None) => return Err(Rejected::missing("file_data")),
    };
    Ok(match media {
        Media::Inline { ref media_type, .. } if media_type.decode().starts_with("image/") => {
            Block::Image { media, detail: None, cache }
        }
        media => Block::Document { media, name: file_name, cache },
    })
}

fn audio_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let mut found = None;
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "input_audio" => found = Some(audio(object(&name, value)?).map_err(|fault| fault.inside("input_audio"))?),
            _ => foreign(&name, value, notes)?,
        }
    }
    found.ok_or_else(|| Rejected::missing("input_audio"))
}

fn audio(value: Value<'_>) -> Result<Block<'_>, Rejected> {
    let member = |name| value.get(name).ok_or_else(|| Rejected::missing(name)).and_then(|value| text(name, value));
    Ok(Block::Audio { data: member("data")?, format: member("format")? })
}

/// The prompt is to be cached up to here. OpenAI's times are longer than the canonical ones.
fn breakpoint(value: Value<'_>, notes: &mut Vec<Note>) -> Result<Option<CacheControl>, Rejected> {
    let value = object("prompt_cache_breakpoint", value)?;
    let Some(time) = value.get("ttl").and_then(Value::string) else { return Ok(Some(CacheControl::FiveMinutes)) };
    note(notes, Note::new("input.content.prompt_cache_breakpoint.ttl", How::Approximated));
    Ok(Some(if time == "12h" { CacheControl::OneHour } else { CacheControl::FiveMinutes }))
}

fn foreign(name: &str, value: Value<'_>, notes: &mut Vec<Note>) -> Result<(), Rejected> {
    settle_foreign(TABLE, "input.content", name, value, notes)
}

pub(super) fn note(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}
