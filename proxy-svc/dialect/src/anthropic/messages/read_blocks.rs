//! The content of a caller's messages, block by block.

use crate::canonical::{Arguments, Block, CacheControl, Text, ToolCall, ToolResult};
use crate::json::{Kind, Value};
use crate::translate::{How, Note, Rejected, calls, read};

use super::read_request::{Reader, cache_control, members, shown, text_block};
use super::{media, thoughts};

/// The way to a block's members in the table of foreign ones.
pub(super) const PLACE: &str = "messages.content";

impl Reader<'_> {
    /// A string, which is short for one text block, or an array of blocks.
    pub(super) fn blocks<'a>(&mut self, name: &str, value: Value<'a>) -> Result<Vec<Block<'a>>, Rejected> {
        if let Some(text) = value.text() {
            return Ok(vec![Block::text(text)]);
        }
        let mut blocks = Vec::new();
        read::list(name, value, |element| self.block(element, &mut blocks))?;
        Ok(blocks)
    }

    fn block<'a>(&mut self, value: Value<'a>, blocks: &mut Vec<Block<'a>>) -> Result<(), Rejected> {
        if value.kind() != Kind::Object {
            return Err(Rejected::new("", "a block of content must be an object"));
        }
        let kind = value.get("type").ok_or_else(|| Rejected::missing("type"))?;
        match &*read::string("type", kind)? {
            "text" => blocks.push(self.text(value)?),
            "image" => blocks.push(media::image(self, value)?),
            "document" => media::document(self, value, blocks)?,
            "search_result" => blocks.push(self.search_result(value)?),
            "thinking" => blocks.push(self.thought(value)?),
            "redacted_thinking" => {
                let data = required(value, "data")?;
                self.others(value, PLACE, &["type", "data"])?;
                blocks.push(Block::Reasoning(thoughts::redacted_by_caller(self.seal, &data)));
            }
            "tool_use" => blocks.push(Block::ToolCall(self.call(value)?)),
            "tool_result" => blocks.push(Block::ToolResult(self.result(value)?)),
            // The summary of what was there before; without one it stands for nothing.
            "compaction" => {
                self.others(value, PLACE, &["type", "content"])?;
                blocks.extend(value.get("content").and_then(Value::text).map(Block::text));
            }
            "fallback" => self.note(Note::new("messages.content.fallback", How::Dropped)),
            other => return Err(untranslatable(other)),
        }
        Ok(())
    }

    /// Accounts for the members of an object besides those that were read.
    pub(super) fn others(&mut self, value: Value<'_>, place: &str, read: &[&str]) -> Result<(), Rejected> {
        members(value)
            .filter(|(name, _)| !read.contains(&&**name))
            .try_for_each(|(name, value)| self.settle(place, &name, value))
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn text<'a>(&mut self, value: Value<'a>) -> Result<Block<'a>, Rejected> {
        let (mut text, mut cache) = (None, None);
        for (name, value) in members(value) {
            match &*name {
                "type" => {}
                "text" => text = Some(read::text(&name, value)?),
                "cache_control" => cache = Some(cache_control(value)),
                _ => self.settle(PLACE, &name, value)?,
            }
        }
        Ok(text_block(text.ok_or_else(|| Rejected::missing("text"))?, cache))
    }

    /// A result of a search that the caller made: its title and source in front of its text.
    fn search_result<'a>(&mut self, value: Value<'a>) -> Result<Block<'a>, Rejected> {
        let mut written = required(value, "title")?.decode().into_owned();
        let source = required(value, "source")?;
        written.push('\n');
        written.push_str(&source.decode());
        let mut cache = None;
        for (name, value) in members(value) {
            match &*name {
                "type" | "title" | "source" => {}
                "content" => {
                    for block in self.blocks(&name, value)? {
                        if let Block::Text { text, .. } = block {
                            written.push_str("\n\n");
                            written.push_str(&text.decode());
                        }
                    }
                }
                "cache_control" => cache = Some(cache_control(value)),
                _ => self.settle(PLACE, &name, value)?,
            }
        }
        Ok(text_block(Text::from(written), cache))
    }

    fn thought<'a>(&mut self, value: Value<'a>) -> Result<Block<'a>, Rejected> {
        let (mut thinking, mut signature) = (None, None);
        for (name, value) in members(value) {
            match &*name {
                "type" => {}
                "thinking" => thinking = Some(read::text(&name, value)?),
                "signature" => signature = Some(read::text(&name, value)?),
                _ => self.settle(PLACE, &name, value)?,
            }
        }
        let thinking = thinking.ok_or_else(|| Rejected::missing("thinking"))?;
        Ok(Block::Reasoning(thoughts::signed_by_caller(self.seal, thinking, signature)))
    }

    fn call<'a>(&mut self, value: Value<'a>) -> Result<ToolCall<'a>, Rejected> {
        let (mut id, mut tool, mut input, mut cache) = (None, None, Value::EMPTY_OBJECT, None);
        for (name, value) in members(value) {
            match &*name {
                "type" => {}
                "id" => id = Some(read::text(&name, value)?),
                "name" => tool = Some(read::text(&name, value)?),
                "input" => input = read::object(&name, value)?,
                "cache_control" => cache = Some(cache_control(value)),
                _ => self.settle(PLACE, &name, value)?,
            }
        }
        let (id, signature) = calls::from_caller(self.seal, id.ok_or_else(|| Rejected::missing("id"))?);
        Ok(ToolCall {
            id: Some(id),
            name: tool.ok_or_else(|| Rejected::missing("name"))?,
            arguments: Arguments::Object(input),
            is_custom: false,
            signature,
            cache,
        })
    }

    fn result<'a>(&mut self, value: Value<'a>) -> Result<ToolResult<'a>, Rejected> {
        let (mut id, mut content, mut is_error, mut cache) = (None, Vec::new(), false, None::<CacheControl>);
        for (name, value) in members(value) {
            match &*name {
                "type" => {}
                "tool_use_id" => id = Some(read::text(&name, value)?),
                "content" => content = self.result_content(&name, value)?,
                "is_error" => is_error = read::boolean(&name, value)?,
                "cache_control" => cache = Some(cache_control(value)),
                _ => self.settle(PLACE, &name, value)?,
            }
        }
        let id = id.ok_or_else(|| Rejected::missing("tool_use_id"))?;
        let (id, _) = calls::from_caller(self.seal, id);
        Ok(ToolResult { id: Some(id), name: None, content, is_error, is_custom: false, cache })
    }

    fn result_content<'a>(&mut self, name: &str, value: Value<'a>) -> Result<Vec<Block<'a>>, Rejected> {
        let blocks = self.blocks(name, value)?;
        let fits =
            |block: &Block<'_>| matches!(block, Block::Text { .. } | Block::Image { .. } | Block::Document { .. });
        match blocks.iter().position(|block| !fits(block)) {
            Some(index) => {
                Err(Rejected::new("", "a result is made of texts, images and documents").inside_element(name, index))
            }
            None => Ok(blocks),
        }
    }
}

/// A member that is needed and must be a string.
pub(super) fn required<'a>(value: Value<'a>, name: &str) -> Result<Text<'a>, Rejected> {
    read::text(name, value.get(name).ok_or_else(|| Rejected::missing(name))?)
}

/// A block that has no meaning elsewhere: what Anthropic's servers did, or what nobody knows.
fn untranslatable(kind: &str) -> Rejected {
    let is_servers = kind.ends_with("_tool_result")
        || matches!(
            kind,
            "server_tool_use"
                | "mcp_tool_use"
                | "mcp_tool_listing"
                | "container_upload"
                | "tool_addition"
                | "tool_removal"
                | "tool_reference"
                | "browser_state"
        );
    let message = if is_servers {
        format!(
            "`type`: a block of type `{}` cannot be translated for this model's provider: it is of tools that Anthropic runs or defines",
            shown(kind)
        )
    } else {
        format!("`type`: there are no blocks of type `{}`", shown(kind))
    };
    Rejected::new("type", message)
}
