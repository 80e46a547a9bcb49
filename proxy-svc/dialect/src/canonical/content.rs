//! What messages and answers are made of.

use std::borrow::Cow;

use super::{Text, Value};
use crate::Protocol;
use crate::json::write::{Array, Object};

/// One piece of a message, in the order in which they stand.
#[derive(Debug, Clone, PartialEq)]
pub enum Block<'a> {
    Text {
        text: Text<'a>,
        cache: Option<CacheControl>,
    },
    Image {
        media: Media<'a>,
        /** OpenAI's `detail`. */
        detail: Option<Text<'a>>,
        cache: Option<CacheControl>,
    },
    /// Recorded sound; `format` as OpenAI names it: `wav`, `mp3`, ….
    Audio {
        data: Text<'a>,
        format: Text<'a>,
    },
    /// A document to read (PDF, text), whole.
    Document {
        media: Media<'a>,
        name: Option<Text<'a>>,
        cache: Option<CacheControl>,
    },
    Reasoning(Reasoning<'a>),
    ToolCall(ToolCall<'a>),
    ToolResult(ToolResult<'a>),
    /// The model said that it will not do what was asked.
    Refusal(Text<'a>),
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Clone, PartialEq)]
pub enum Media<'a> {
    /// `data` is base64.
    Inline { media_type: Text<'a>, data: Text<'a> },
    /// The provider fetches it. The gateway never does: that would open the inside of its network to callers.
    Url { url: Text<'a>, media_type: Option<Text<'a>> },
    /// Text itself, where a protocol has documents of plain text.
    Plain(Text<'a>),
}

/// A request that the provider caches the prompt up to here (Anthropic's `cache_control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheControl {
    FiveMinutes,
    OneHour,
}

/// What a model thought.
#[derive(Debug, Clone, PartialEq)]
pub struct Reasoning<'a> {
    /// Empty when the provider shows none of it.
    pub text: Text<'a>,
    /// What the provider wants to have back unmodified.
    pub signature: Option<Signature<'a>>,
}

/// A proof or an encrypted state that only the provider who made it can read.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature<'a> {
    /// Whose it is: it is of no use to others.
    pub origin: Protocol,
    /// As the origin's codec defines it. Anthropic: `thinking` blocks their `signature`, redacted ones `redacted:` and
    /// their `data`. Gemini: the `thoughtSignature` (base64). OpenAI: the reasoning item's `id`, a space, its
    /// `encrypted_content`.
    pub value: Text<'a>,
}

/// The model wants a tool to be called.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall<'a> {
    /// Absent where the protocol has none (Gemini's, mostly): then the order counts.
    pub id: Option<Text<'a>>,
    pub name: Text<'a>,
    pub arguments: Arguments<'a>,
    /// A tool that takes free text instead of an object (OpenAI's `custom` tools).
    pub is_custom: bool,
    /// Gemini's signature of the call.
    pub signature: Option<Signature<'a>>,
    pub cache: Option<CacheControl>,
}

/// Arguments of a call: OpenAI writes the object into a string, the others do not.
#[derive(Debug, Clone, PartialEq)]
pub enum Arguments<'a> {
    Object(Value<'a>),
    /// JSON in a string, or the free text of a custom tool. A model may have written anything here.
    Written(Text<'a>),
}

/// What the tool said.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult<'a> {
    /// The call's id; absent where the protocol goes by name and order.
    pub id: Option<Text<'a>>,
    /// The tool's name, where the protocol says it here.
    pub name: Option<Text<'a>>,
    /// Texts, images and documents. What is a JSON object in Gemini's protocol is one text here.
    pub content: Vec<Block<'a>>,
    pub is_error: bool,
    pub is_custom: bool,
    pub cache: Option<CacheControl>,
}

impl<'a> Block<'a> {
    pub const fn text(text: Text<'a>) -> Self {
        Self::Text { text, cache: None }
    }
}

impl Arguments<'_> {
    /// As the text of a JSON string.
    pub(crate) fn write_as_string(&self, object: &mut Object<'_>, name: &str) {
        match self {
            Self::Object(value) => object.value_in_string(name, *value),
            Self::Written(text) => object.text(name, text),
        };
    }

    /// The object that it is. `None` when a model wrote something else; nothing at all is an object without members.
    pub(crate) fn as_object(&self) -> Option<Cow<'_, str>> {
        let decoded = match self {
            Self::Object(value) => return Some(Cow::Borrowed(value.raw())),
            Self::Written(text) => text.decode(),
        };
        if decoded.trim().is_empty() {
            return Some(Cow::Borrowed("{}"));
        }
        let value = Value::parse(decoded.as_bytes()).ok()?;
        (value.kind() == crate::json::Kind::Object).then(|| Cow::Owned(value.raw().to_owned()))
    }

    /// Writes the object. What is none is wrapped as `{"INVALID_JSON": "…"}`, as Anthropic advises to show it.
    pub(crate) fn write_as_object(&self, object: &mut Object<'_>, name: &str) {
        if let Some(text) = self.as_object() {
            object.raw(name, &text);
        } else if let Self::Written(text) = self {
            object.object(name).text("INVALID_JSON", text);
        }
    }
}

impl<'a> ToolResult<'a> {
    /// The text of its content; parts that are no text are left out.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text<'a>> {
        self.content.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text),
            _ => None,
        })
    }

    /// Whether it is nothing but text.
    pub(crate) fn is_text(&self) -> bool {
        self.content.iter().all(|block| matches!(block, Block::Text { .. }))
    }
}

/// Joins texts that one field has to hold, with a blank line between them.
pub(crate) fn join<'t, 'a: 't>(texts: impl IntoIterator<Item = &'t Text<'a>>) -> Text<'a> {
    let mut texts = texts.into_iter();
    let Some(first) = texts.next() else { return Text::EMPTY };
    let Some(second) = texts.next() else { return first.clone() };
    let mut joined = first.decode().into_owned();
    for text in std::iter::once(second).chain(texts) {
        joined.push_str("\n\n");
        joined.push_str(&text.decode());
    }
    Text::from(joined)
}

/// Writes texts as an array of strings.
pub(crate) fn write_texts(array: &mut Array<'_>, texts: &[Text<'_>]) {
    for text in texts {
        array.text(text);
    }
}
