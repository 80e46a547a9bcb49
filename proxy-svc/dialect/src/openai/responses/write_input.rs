//! The turns of a conversation → the items of an input.

use crate::Protocol;
use crate::canonical::{Arguments, Block, Media, Message, Reasoning, Request, Role, Text, ToolCall, ToolResult};
use crate::json::write::Array;
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected, Target};

use super::ids::CallIds;
use super::write_tools::NAMES;
use super::{media, signature};

pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
    input: &mut Array<'_>,
) -> Result<(), Rejected> {
    let mut items = Items { notes, ids: CallIds::default(), instructor: instructor(target) };
    for message in &request.messages {
        items.write_message(message, input)?;
    }
    if input.is_empty() {
        return Err(Rejected::nothing_said("input"));
    }
    let ends_with_text = request.messages.last().is_some_and(|message| {
        message.role == Role::Assistant && matches!(message.content.last(), Some(Block::Text { .. }))
    });
    if ends_with_text {
        notes.allows(Feature::Prefill)?;
    }
    Ok(())
}

/// The role of those who instruct the model: the older word is what compatible providers know.
pub(super) const fn instructor(target: &Target<'_>) -> &'static str {
    if target.is_compatible { "system" } else { "developer" }
}

/// A message of texts from one of the roles.
pub(super) fn write_texts<'t, 'a: 't>(role: &str, texts: impl Iterator<Item = &'t Text<'a>>, input: &mut Array<'_>) {
    let mut message = input.object();
    message.string("type", "message").string("role", role);
    let mut content = message.array("content");
    for text in texts {
        content.object().string("type", "input_text").text("text", text);
    }
}

struct Items<'n> {
    notes: &'n mut Notes,
    ids: CallIds,
    instructor: &'static str,
}

/// What a block becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A part of a message of this role.
    Part(&'static str),
    Item,
}

impl Items<'_> {
    fn write_message(&mut self, message: &Message<'_>, input: &mut Array<'_>) -> Result<(), Rejected> {
        if message.role == Role::System {
            if self.notes.allows(Feature::LateSystem)? {
                let texts = crate::translate::conversation::texts(&message.content);
                write_texts(self.instructor, texts, input);
            }
            return Ok(());
        }
        let mut rest = message.content.as_slice();
        while let Some((block, behind)) = rest.split_first() {
            match place(message.role, block) {
                Place::Item => {
                    self.write_item(block, input)?;
                    rest = behind;
                }
                Place::Part(role) => {
                    let count = rest.iter().take_while(|block| place(message.role, block) == Place::Part(role)).count();
                    let (parts, behind) = rest.split_at(count);
                    self.write_parts(role, parts, message.role, input)?;
                    rest = behind;
                }
            }
        }
        Ok(())
    }

    fn write_parts(
        &mut self,
        role: &str,
        parts: &[Block<'_>],
        speaker: Role,
        input: &mut Array<'_>,
    ) -> Result<(), Rejected> {
        if speaker == Role::Assistant && role == "user" {
            // The model's own messages hold no images here.
            self.notes.add("messages.content", How::Approximated);
        }
        let mut message = input.object();
        message.string("type", "message").string("role", role);
        let mut content = message.array("content");
        let text_type = if role == "assistant" { "output_text" } else { "input_text" };
        for part in parts {
            self.write_part(part, text_type, &mut content)?;
        }
        Ok(())
    }

    /// A part of a message or of a tool's result.
    fn write_part(&mut self, part: &Block<'_>, text_type: &str, content: &mut Array<'_>) -> Result<(), Rejected> {
        match part {
            Block::Text { text, cache } => {
                self.settle_cache(cache.is_some())?;
                content.object().string("type", text_type).text("text", text);
            }
            Block::Refusal(refusal) if text_type == "output_text" => {
                if self.notes.allows(Feature::RefusalHistory)? {
                    content.object().string("type", "refusal").text("refusal", refusal);
                }
            }
            Block::Refusal(refusal) => _ = content.object().string("type", text_type).text("text", refusal),
            Block::Image { media, detail, cache } => {
                self.settle_cache(cache.is_some())?;
                self.write_image(media, detail.as_ref(), content)?;
            }
            Block::Document { media, name, cache } => {
                self.settle_cache(cache.is_some())?;
                self.write_document(media, name.as_ref(), content)?;
            }
            Block::Audio { .. } => _ = self.notes.allows(Feature::AudioInput)?,
            Block::Reasoning(_) | Block::ToolCall(_) | Block::ToolResult(_) => {}
        }
        Ok(())
    }

    fn settle_cache(&mut self, is_asked: bool) -> Result<(), Rejected> {
        if is_asked {
            self.notes.allows(Feature::CacheControl)?;
        }
        Ok(())
    }

    fn write_image(
        &mut self,
        media: &Media<'_>,
        detail: Option<&Text<'_>>,
        content: &mut Array<'_>,
    ) -> Result<(), Rejected> {
        if matches!(media, Media::Url { .. }) && !self.notes.allows(Feature::ImageUrl)? {
            return Ok(());
        }
        let detail = match detail {
            Some(detail) if self.notes.allows(Feature::ImageDetail)? => detail,
            _ => &Text::Escaped("auto"),
        };
        let mut part = content.object();
        part.string("type", "input_image").text("detail", detail).string("image_url", &media::to_url(media));
        Ok(())
    }

    fn write_document(
        &mut self,
        media: &Media<'_>,
        name: Option<&Text<'_>>,
        content: &mut Array<'_>,
    ) -> Result<(), Rejected> {
        let url = media::to_url(media);
        if let Media::Url { .. } = media {
            if self.notes.allows(Feature::DocumentUrl)? {
                content.object().string("type", "input_file").string("file_url", &url);
            }
            return Ok(());
        }
        if !self.notes.allows(Feature::DocumentInline)? {
            return Ok(());
        }
        let mut part = content.object();
        part.string("type", "input_file");
        match (name, media) {
            (Some(name), _) if !name.is_empty() => part.text("filename", name),
            (_, Media::Inline { media_type, .. }) => {
                part.string("filename", &media::file_name_for(&media_type.decode()))
            }
            _ => part.string("filename", "document.txt"),
        };
        part.string("file_data", &url);
        Ok(())
    }

    fn write_item(&mut self, block: &Block<'_>, input: &mut Array<'_>) -> Result<(), Rejected> {
        match block {
            Block::Reasoning(reasoning) => self.write_reasoning(reasoning, input),
            Block::ToolCall(call) => self.write_call(call, input),
            Block::ToolResult(result) => self.write_result(result, input),
            _ => Ok(()),
        }
    }

    /// OpenAI takes its own thoughts back, by their state and without what was shown of them.
    fn write_reasoning(&mut self, reasoning: &Reasoning<'_>, input: &mut Array<'_>) -> Result<(), Rejected> {
        let Some(signature) = &reasoning.signature else {
            self.notes.add(Feature::ReasoningHistory.name(), How::Dropped);
            return Ok(());
        };
        let value = signature.value.decode();
        match signature::split(&value) {
            Some((id, encrypted)) if signature.origin == Protocol::OpenAi => {
                if self.notes.allows(Feature::ReasoningHistory)? {
                    let mut item = input.object();
                    item.string("type", "reasoning");
                    if !id.is_empty() {
                        item.string("id", id);
                    }
                    item.raw("summary", "[]").string("encrypted_content", encrypted);
                }
                Ok(())
            }
            _ => self.notes.allows(Feature::OthersSignature).map(|_| ()),
        }
    }

    fn write_call(&mut self, call: &ToolCall<'_>, input: &mut Array<'_>) -> Result<(), Rejected> {
        self.settle_cache(call.cache.is_some())?;
        if call.signature.as_ref().is_some_and(|signature| signature.origin != Protocol::OpenAi) {
            self.notes.allows(Feature::OthersSignature)?;
        }
        let id = self.ids.of_call(call);
        let name = self.notes.names.fit(&call.name.decode(), NAMES).into_owned();
        let (kind, arguments) =
            if call.is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        let mut item = input.object();
        item.string("type", kind).text("call_id", &id).string("name", &name);
        match &call.arguments {
            Arguments::Written(written) if !call.is_custom && written.is_blank() => _ = item.string(arguments, "{}"),
            written => written.write_as_string(&mut item, arguments),
        }
        Ok(())
    }

    fn write_result(&mut self, result: &ToolResult<'_>, input: &mut Array<'_>) -> Result<(), Rejected> {
        self.settle_cache(result.cache.is_some())?;
        let id = self.ids.of_result(result);
        let kind = if result.is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let says_error = result.is_error && self.notes.allows(Feature::ToolResultError)?;
        let mut item = input.object();
        item.string("type", kind).text("call_id", &id);
        if result.is_text() {
            for block in &result.content {
                self.settle_cache(matches!(block, Block::Text { cache: Some(_), .. }))?;
            }
            let text = crate::canonical::join(result.texts());
            if says_error {
                item.string("output", &error_text(&text));
            } else {
                item.text("output", &text);
            }
            return Ok(());
        }
        if !self.notes.allows(Feature::ToolResultMedia)? {
            item.text("output", &crate::canonical::join(result.texts()));
            return Ok(());
        }
        let mut output = item.array("output");
        if says_error {
            output.object().string("type", "input_text").string("text", ERROR);
        }
        for part in &result.content {
            self.write_part(part, "input_text", &mut output)?;
        }
        Ok(())
    }
}

/// What tells the model that a tool failed.
const ERROR: &str = "Error:";

fn error_text(text: &Text<'_>) -> String {
    let text = text.decode();
    // Most of those who report an error say so themselves.
    if text.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error")) {
        return text.into_owned();
    }
    format!("{ERROR} {text}")
}

fn place(role: Role, block: &Block<'_>) -> Place {
    match (role, block) {
        (_, Block::Reasoning(_) | Block::ToolCall(_) | Block::ToolResult(_)) => Place::Item,
        (Role::Assistant, Block::Text { .. } | Block::Refusal(_)) => Place::Part("assistant"),
        _ => Place::Part("user"),
    }
}
