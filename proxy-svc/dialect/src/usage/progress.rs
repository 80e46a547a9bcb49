//! What is known of an answer while it passes by, and what is known in the end.

use std::borrow::Cow;

use super::{Reported, Usage};
use crate::json::{Members, Value, count, string};

/// An error that came with a 200, as the whole answer or in a stream.
///
/// The message is the provider's and may hold what must not leave the gateway, even its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// OpenAI's and Anthropic's `type`, Gemini's `status`.
    pub kind: Option<String>,
    pub code: Option<String>,
    /// The status that the provider would have sent, where it says so.
    pub status: Option<u16>,
    pub message: String,
}

impl ProviderError {
    /// The machine-readable names that it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.code.iter().chain(&self.kind).map(String::as_str)
    }

    /// An answer that is not of the provider's protocol.
    pub fn malformed(message: &str) -> Self {
        Self { kind: Some("malformed_answer".to_owned()), message: message.to_owned(), ..Self::default() }
    }

    /// From the body of an answer that is an error; one of another shape has nothing to say.
    pub(crate) fn in_answer(body: &[u8]) -> Self {
        let Ok(mut value) = Value::parse(body) else { return Self::default() };
        // Gemini puts it into an array where a stream was asked for.
        if let Some(first) = value.elements().next() {
            value = first;
        }
        match value.get("error") {
            Some(error) => Self::read(error.raw().as_bytes()),
            None => Self::default(),
        }
    }

    /// From an error object, or from a string in its place.
    pub(crate) fn read(raw: &[u8]) -> Self {
        let mut error = Self::default();
        let Some(members) = Members::of(raw) else {
            error.message = string(raw).unwrap_or_else(|| String::from_utf8_lossy(raw)).into_owned();
            return error;
        };
        for member in members.map_while(Result::ok) {
            let Some(value) = raw.get(member.value) else { continue };
            match &*member.key {
                b"type" | b"status" => error.kind = string(value).map(Cow::into_owned).or(error.kind),
                b"message" => error.message = string(value).map(Cow::into_owned).unwrap_or_default(),
                b"code" => {
                    error.code = string(value).map(Cow::into_owned);
                    error.status = count(value).and_then(status);
                }
                _ => {}
            }
        }
        error
    }
}

fn status(code: u64) -> Option<u16> {
    u16::try_from(code).ok().filter(|code| (400..600).contains(code))
}

/// What an answer turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// `None` when the provider told none.
    pub usage: Option<Usage>,
    /// The provider's usage object as it came, the last one; for an Anthropic stream
    /// `{"message_start":…,"message_delta":…}` with both.
    pub raw: Option<String>,
    /// The protocol's own end was seen: the stream was not cut.
    pub complete: bool,
    pub error: Option<ProviderError>,
    /// The model that the provider says it used.
    pub model: Option<String>,
    /// Something that the model made was in it.
    pub semantic_started: bool,
}

/// The same, in the making.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) reported: Reported,
    /// The last usage object, and the one that opened the stream where that is another.
    pub(crate) raw: Vec<u8>,
    pub(crate) opening_raw: Vec<u8>,
    pub(crate) complete: bool,
    pub(crate) error: Option<ProviderError>,
    pub(crate) model: Option<String>,
    pub(crate) started: bool,
    /// The provider would not let the model see the prompt.
    pub(crate) blocked: bool,
}

impl Progress {
    pub(crate) fn fail(&mut self, raw: &[u8]) {
        if self.error.is_none() {
            self.error = Some(ProviderError::read(raw));
        }
    }

    /// The first name stays: a stream repeats it.
    pub(crate) fn model(&mut self, raw: Option<&[u8]>) {
        if self.model.is_none() {
            self.model = raw.and_then(string).filter(|name| !name.is_empty()).map(Cow::into_owned);
        }
    }

    /// The usage objects as text.
    pub(crate) fn take_raw(&mut self) -> Option<String> {
        let last = String::from_utf8(std::mem::take(&mut self.raw)).ok()?;
        let opening = String::from_utf8(std::mem::take(&mut self.opening_raw)).ok()?;
        match (opening.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(last),
            (false, true) => Some(opening),
            (false, false) => Some(format!(r#"{{"message_start":{opening},"message_delta":{last}}}"#)),
        }
    }
}
