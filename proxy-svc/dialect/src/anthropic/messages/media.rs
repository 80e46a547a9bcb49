//! Images and documents of a caller's messages.

use crate::canonical::{Block, Media};
use crate::json::{Kind, Value};
use crate::translate::{Rejected, read};

use super::read_blocks::{PLACE, required};
use super::read_request::{Reader, cache_control, members, shown};

pub(super) fn image<'a>(reader: &mut Reader<'_>, value: Value<'a>) -> Result<Block<'a>, Rejected> {
    let (mut media, mut cache) = (None, None);
    for (name, value) in members(value) {
        match &*name {
            "type" => {}
            "source" => media = Some(source(reader, value).map_err(|rejected| rejected.inside(&name))?),
            "cache_control" => cache = Some(cache_control(value)),
            _ => reader.settle(PLACE, &name, value)?,
        }
    }
    match media {
        Some(media @ (Media::Inline { .. } | Media::Url { .. })) => Ok(Block::Image { media, detail: None, cache }),
        Some(Media::Plain(_)) => Err(Rejected::new("source.type", "`source.type` cannot be `text` for an image")),
        None => Err(Rejected::missing("source")),
    }
}

/// What is said about a document stands in front of it; one that is made of blocks becomes these blocks.
pub(super) fn document<'a>(
    reader: &mut Reader<'_>,
    value: Value<'a>,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), Rejected> {
    let (mut from, mut name, mut context, mut cache) = (None, None, None, None);
    for (member, value) in members(value) {
        match &*member {
            "type" => {}
            "source" => from = Some(value),
            "title" => name = Some(read::text(&member, value)?),
            "context" => context = Some(read::text(&member, value)?),
            "cache_control" => cache = Some(cache_control(value)),
            "citations" if value.get("enabled").and_then(Value::boolean) == Some(false) => {}
            _ => reader.settle(PLACE, &member, value)?,
        }
    }
    let from = from.ok_or_else(|| Rejected::missing("source"))?;
    blocks.extend(context.map(Block::text));
    if is_of_blocks(from) {
        blocks.extend(name.map(Block::text));
        let content = from.get("content").ok_or_else(|| Rejected::missing("content").inside("source"))?;
        let mut content = reader.blocks("content", content).map_err(|rejected| rejected.inside("source"))?;
        if let Some(Block::Text { cache: last, .. } | Block::Image { cache: last, .. }) = content.last_mut() {
            *last = last.or(cache);
        }
        blocks.append(&mut content);
        return Ok(());
    }
    let media = source(reader, from).map_err(|rejected| rejected.inside("source"))?;
    blocks.push(Block::Document { media, name, cache });
    Ok(())
}

fn is_of_blocks(source: Value<'_>) -> bool {
    source.get("type").and_then(Value::text).is_some_and(|kind| kind == "content")
}

fn source<'a>(reader: &mut Reader<'_>, value: Value<'a>) -> Result<Media<'a>, Rejected> {
    if value.kind() != Kind::Object {
        return Err(Rejected::new("", "a source must be an object"));
    }
    let kind = required(value, "type")?;
    let media = match &*kind.decode() {
        "base64" => Media::Inline { media_type: required(value, "media_type")?, data: required(value, "data")? },
        "url" => Media::Url { url: required(value, "url")?, media_type: None },
        "text" => Media::Plain(required(value, "data")?),
        "file" => {
            let message = "`type`: a file that Anthropic keeps cannot be sent to this model's provider";
            return Err(Rejected::new("type", message));
        }
        other => return Err(Rejected::new("type", format!("`type` cannot be `{}`", shown(other)))),
    };
    reader.others(value, "messages.content.source", &["type", "media_type", "data", "url"])?;
    Ok(media)
}
