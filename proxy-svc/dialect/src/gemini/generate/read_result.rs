//! `functionResponse` of a caller's request: an object here, text and media everywhere else.

use super::call_ids::CallIds;
use super::media;
use super::members::{list, members, settle};
use crate::canonical::{Block, Text, ToolResult};
use crate::json::{Kind, Value};
use crate::translate::{Note, Rejected, Seal, read};

pub(super) fn read<'a>(
    value: Value<'a>,
    seal: &dyn Seal,
    ids: &mut CallIds<'a>,
    notes: &mut Vec<Note>,
) -> Result<Block<'a>, Rejected> {
    let (mut id, mut tool) = (None, None);
    let (mut content, mut media, mut is_error) = (Vec::new(), Vec::new(), false);
    for (name, value) in members("functionResponse", value)? {
        match &*name {
            "id" => id = Some(read::text(&name, value)?),
            "name" => tool = Some(read::text(&name, value)?),
            "response" => {
                let (text, failed) = response(read::object(&name, value)?);
                is_error = failed;
                content.extend(text.filter(|text| !text.is_empty()).map(Block::text));
            }
            "parts" => media = list(&name, value, |part| result_part(part, notes))?,
            _ => settle("contents.parts.functionResponse", &name, value, notes)?,
        }
    }
    let id = ids.result(id, tool.as_ref(), seal)?;
    content.extend(media.into_iter().flatten());
    Ok(Block::ToolResult(ToolResult { id: Some(id), name: tool, content, is_error, is_custom: false, cache: None }))
}

/// What a result says, and whether it is an error: Google's words for the two are `output` and `error`, its SDKs write
/// `result`. Anything else is told as it is.
fn response(object: Value<'_>) -> (Option<Text<'_>>, bool) {
    let mut said = object.members().filter(|(_, value)| !value.is_null());
    let Some((name, value)) = said.next() else { return (None, false) };
    let is_error = name == "error";
    if said.next().is_some() || !(is_error || name == "output" || name == "result") {
        return (Some(Text::from(object.raw())), false);
    }
    (Some(value.text().unwrap_or_else(|| Text::from(value.raw()))), is_error)
}

fn result_part<'a>(part: Value<'a>, notes: &mut Vec<Note>) -> Result<Option<Block<'a>>, Rejected> {
    let mut found = None;
    for (name, value) in members("parts", part)? {
        match &*name {
            "inlineData" => found = Some(media::read_inline(value, notes).map_err(|rejected| rejected.inside(&name))?),
            "fileData" => found = Some(media::read_file(value, notes).map_err(|rejected| rejected.inside(&name))?),
            "text" if value.kind() == Kind::String => found = value.text().map(Block::text),
            _ => settle("contents.parts", &name, value, notes)?,
        }
    }
    Ok(found)
}
