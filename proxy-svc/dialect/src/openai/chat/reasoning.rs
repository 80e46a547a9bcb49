//! Thoughts in chat completions. OpenAI has no place for them; what clients and providers have settled on is
//! `reasoning_content` (or `reasoning`) with the text, and `reasoning_details` with entries that can be signed:
//! `{type: "reasoning.text", text, signature, index}`, and `{type: "reasoning.encrypted", data, index}` where the
//! provider shows no text.
//!
//! An entry that the gateway writes holds its text too, although `reasoning_content` has it: several thoughts of one
//! answer are told apart only there, and SDKs that do not know `reasoning_content` keep just the last piece of it.

use crate::Protocol;
use crate::canonical::{Block, Reasoning, Signature, Text};
use crate::json::write::{Array, Object};
use crate::json::{Kind, Value};
use crate::translate::{Rejected, Seal, UNSIGNED, open_signature, read, seal_text};

/// The members of a message that hold thoughts.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    /// `reasoning_content`
    pub(super) content: Option<Value<'a>>,
    /// `reasoning`
    pub(super) plain: Option<Value<'a>>,
    /// `reasoning_details`
    pub(super) details: Option<Value<'a>>,
}

/// One entry of `reasoning_details`.
struct Entry<'a> {
    text: Text<'a>,
    /// What stands where a signature belongs.
    opaque: Option<Text<'a>>,
    /// Says that it has a text.
    is_text: bool,
}

impl<'a> Entry<'a> {
    /// `None` for what is no entry that anybody knows.
    fn read(value: Value<'a>) -> Option<Self> {
        let kind = value.get("type")?.string()?;
        let member = |name: &str| value.get(name).and_then(Value::text);
        let text = member("text").or_else(|| member("summary")).unwrap_or(Text::EMPTY);
        let opaque = member("signature").or_else(|| member("data")).filter(|opaque| !opaque.is_empty());
        Some(Self { text, opaque, is_text: kind != "reasoning.encrypted" })
    }
}

/// The signature that a caller gives back. What was not sealed here is kept only if it has the form of OpenAI's own: a
/// signature of another gateway's provider is of no use to anybody.
fn opened<'a>(seal: &dyn Seal, opaque: Text<'a>) -> Option<Signature<'a>> {
    let found = open_signature(seal, Protocol::OpenAi, opaque)?;
    let is_usable = found.origin != Protocol::OpenAi || found.value.decode().contains(' ');
    is_usable.then_some(found)
}

impl<'a> Given<'a> {
    /// Appends the thoughts of a caller's message. A text stands in one place or in both; it is taken once.
    pub(super) fn read(&self, seal: &dyn Seal, content: &mut Vec<Block<'a>>) -> Result<(), Rejected> {
        let mut text = self.text()?;
        let entries: Vec<Entry<'a>> = match self.details {
            Some(details) if details.kind() == Kind::Array => details.elements().filter_map(Entry::read).collect(),
            Some(_) => return Err(Rejected::wrong_type("reasoning_details", Kind::Array)),
            None => Vec::new(),
        };
        if entries.iter().any(|entry| !entry.text.is_empty()) {
            text = Text::EMPTY;
        }
        // A text that no entry takes stands before them: encrypted ones follow what they were made with.
        if !text.is_empty() && !entries.iter().any(|entry| entry.is_text) {
            content
                .push(Block::Reasoning(Reasoning { text: std::mem::replace(&mut text, Text::EMPTY), signature: None }));
        }
        for entry in entries {
            let text = if entry.is_text && entry.text.is_empty() {
                std::mem::replace(&mut text, Text::EMPTY)
            } else {
                entry.text
            };
            let signature = entry.opaque.and_then(|opaque| opened(seal, opaque));
            if !text.is_empty() || signature.is_some() {
                content.push(Block::Reasoning(Reasoning { text, signature }));
            }
        }
        Ok(())
    }

    fn text(&self) -> Result<Text<'a>, Rejected> {
        let content = self.content.map(|value| read::text("reasoning_content", value)).transpose()?;
        match content.filter(|text| !text.is_empty()) {
            Some(text) => Ok(text),
            None => Ok(self.plain.and_then(Value::text).unwrap_or(Text::EMPTY)),
        }
    }

    /// Gives the thoughts of a provider's answer: what is opaque in it is of no use elsewhere.
    pub(super) fn each_text(&self, give: &mut dyn FnMut(Text<'a>)) {
        let mut shown = [self.content, self.plain].into_iter().flatten().filter_map(Value::text);
        if let Some(text) = shown.find(|text| !text.is_empty()) {
            give(text);
            return;
        }
        let entries = self.details.into_iter().flat_map(Value::elements).filter_map(Entry::read);
        entries.map(|entry| entry.text).filter(|text| !text.is_empty()).for_each(give);
    }
}

/// A signature as it stands in a caller's hands.
pub(super) fn shown<'a>(seal: &dyn Seal, signature: &Signature<'a>) -> Text<'a> {
    if signature.origin == Protocol::OpenAi { signature.value.clone() } else { Text::from(seal_text(seal, signature)) }
}

/// Writes the entry of one thought. `text` is the inside of a JSON string.
pub(super) fn write_entry(object: &mut Object<'_>, text: &Text<'_>, signature: &Text<'_>, index: u64) {
    if text.is_empty() {
        object.string("type", "reasoning.encrypted").text("data", signature);
    } else {
        object.string("type", "reasoning.text").text("text", text).text("signature", signature);
    }
    object.count("index", index);
}

/// Writes the entry of a thought that nobody signed: its text is in `reasoning_content`.
pub(super) fn write_unsigned(object: &mut Object<'_>, index: u64) {
    write_entry(object, &Text::EMPTY, &Text::plain(UNSIGNED), index);
}

/// The entries of a whole answer's thoughts.
pub(super) fn write_entries(array: &mut Array<'_>, blocks: &[Block<'_>], seal: &dyn Seal) {
    let thoughts = blocks.iter().filter_map(|block| match block {
        Block::Reasoning(Reasoning { text, signature }) => Some((text, signature)).filter(|_| {
            // What has neither is no thought.
            signature.is_some() || !text.is_empty()
        }),
        _ => None,
    });
    for (index, (text, signature)) in (0..).zip(thoughts) {
        match signature {
            Some(signature) => write_entry(&mut array.object(), text, &shown(seal, signature), index),
            None => write_unsigned(&mut array.object(), index),
        }
    }
}
