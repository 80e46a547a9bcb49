//! A caller's request → canonical → a target's.

use super::{EmbeddingShape, Format, Names, Note, Notes, Seal, Task};
use crate::Protocol;
use crate::canonical::{Block, Reasoning, Request, Role};
use crate::json::{Kind, Value};
use crate::openai;

/// Why a request cannot be translated, as the caller is told with a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejected {
    /// The way to the field at fault: `messages[2].content[0].image_url.url`.
    pub param: String,
    /// A sentence without its end.
    pub message: String,
}

impl Rejected {
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into() }
    }

    pub(crate) fn wrong_type(param: &str, expected: Kind) -> Self {
        Self::new(param, format!("`{param}` must be {}", expected.as_str()))
    }

    pub(crate) fn missing(param: &str) -> Self {
        Self::new(param, format!("`{param}` is required"))
    }

    /// What is left of the conversation for this target is nothing at all, to which no provider has an answer.
    pub(crate) fn nothing_said(param: &str) -> Self {
        Self::new(param, format!("`{param}` must say something that this model's provider can be told"))
    }

    /// Puts the name of the member around what is at fault in front.
    #[must_use]
    pub(crate) fn inside(self, name: &str) -> Self {
        self.prefixed(name)
    }

    /// Puts the name and the index of the element around what is at fault in front.
    #[must_use]
    pub(crate) fn inside_element(self, name: &str, index: usize) -> Self {
        self.prefixed(&format!("{name}[{index}]"))
    }

    fn prefixed(self, outer: &str) -> Self {
        let Self { param, message } = self;
        if param.is_empty() {
            let message = message.replacen("``", &format!("`{outer}`"), 1);
            return Self { param: outer.to_owned(), message };
        }
        let joined = format!("{outer}.{param}");
        let message = message.replacen(&format!("`{param}`"), &format!("`{joined}`"), 1);
        Self { param: joined, message }
    }
}

/// What is known of a caller's request besides its body.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Gemini's path says whether the answer is to be a stream, the others' bodies do.
    pub stream_in_path: bool,
    pub seal: &'a dyn Seal,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub format: Format,
    /// The upstream's name of the model.
    pub model: &'a str,
    /// A provider that speaks OpenAI's protocol without being OpenAI: only what all of them know is written.
    pub is_compatible: bool,
    /// For protocols that demand a limit on output tokens, where the caller set none.
    pub default_max_tokens: Option<u64>,
}

/// A request in a target's words.
#[derive(Debug, Clone)]
pub struct Written {
    pub body: Vec<u8>,
    /// Below the version prefix, with its query.
    pub path: String,
    pub notes: Vec<Note>,
    pub names: Names,
}

/// Reads the conversation whose tokens a caller wants counted.
pub fn read_count_request<'a>(format: Format, body: &'a [u8], caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
    let body = Value::parse(body).map_err(|malformed| Rejected::new("", malformed.to_string()))?;
    let codec = format.codec();
    check_sides(codec.read_request(codec.counted(body), caller)?)
}

/// Reads a caller's request; `body` was checked by [`crate::request::scan`].
pub fn read_request<'a>(format: Format, body: &'a [u8], caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
    let body = Value::parse(body).map_err(|malformed| Rejected::new("", malformed.to_string()))?;
    if body.kind() != Kind::Object {
        return Err(Rejected::new("", "the body must be an object"));
    }
    check_sides(format.codec().read_request(body, caller)?)
}

/// Refuses what stands on the wrong side of a conversation: no writer has a place for it.
fn check_sides(request: Request<'_>) -> Result<Request<'_>, Rejected> {
    for (index, message) in request.messages.iter().enumerate() {
        let is_misplaced = |block: &Block<'_>| match message.role {
            Role::User | Role::System => matches!(block, Block::ToolCall(_) | Block::Reasoning(_)),
            Role::Assistant => matches!(block, Block::ToolResult(_)),
        };
        if message.content.iter().any(is_misplaced) {
            let message = "thoughts and calls of tools are the assistant's, and results of tools are the user's";
            return Err(Rejected::new("", message).inside_element("messages", index));
        }
    }
    Ok(request)
}

/// What the caller's answers repeat of its request; [`Terms::echo`](super::Terms::echo).
pub fn echo(task: Task, body: &[u8]) -> Vec<u8> {
    let Ok(body) = Value::parse(body) else { return Vec::new() };
    match task {
        Task::Conversation(format) => format.codec().echo(body),
        Task::Embeddings(EmbeddingShape::OpenAi) => openai::embeddings::echo(body),
        Task::TokenCount(_) | Task::Embeddings(_) => Vec::new(),
    }
}

/// Whether OpenAI serves a request better in its Responses API: where thoughts are wanted, or are carried on. What that
/// API cannot say is left to chat completions.
pub fn prefers_responses(request: &Request<'_>) -> bool {
    let sampling = &request.sampling;
    let blocks = || request.messages.iter().flat_map(|message| &message.content);
    let carries_on = |block: &Block<'_>| {
        matches!(block, Block::Reasoning(Reasoning { signature: Some(signature), .. })
            if signature.origin == Protocol::OpenAi)
    };
    let wanted = request.reasoning.visible == Some(true) || request.reasoning.encrypted || blocks().any(carries_on);
    wanted
        && request.stop.is_empty()
        && sampling.choices.is_none_or(|choices| choices <= 1)
        && sampling.log_probabilities.is_none()
        && !blocks().any(|block| matches!(block, Block::Audio { .. }))
}

/// Writes a request for a target.
pub fn write_request(request: &Request<'_>, target: &Target<'_>) -> Result<Written, Rejected> {
    let mut notes = Notes::new(target.format, &request.notes);
    let codec = target.format.codec();
    codec.check_model(target.model)?;
    let mut body = Vec::with_capacity(1024);
    codec.write_request(request, target, &mut notes, &mut body)?;
    let (notes, names) = notes.into_parts();
    Ok(Written { body, path: codec.path(target.model, request.stream), notes, names })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::NoSeal;

    #[test]
    fn what_stands_on_the_wrong_side_is_refused() {
        let caller = Caller { stream_in_path: false, seal: &NoSeal };
        for misplaced in [
            r#"{"role":"user","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}"#,
            r#"{"role":"user","content":[{"type":"thinking","thinking":"x","signature":"y"}]}"#,
            r#"{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]}"#,
        ] {
            let body = format!(r#"{{"max_tokens":5,"messages":[{{"role":"user","content":"u"}},{misplaced}]}}"#);
            let rejected = read_request(Format::Messages, body.as_bytes(), &caller).unwrap_err();
            assert_eq!(rejected.param, "messages[1]", "{misplaced}");
        }
    }

    #[test]
    fn the_way_to_a_fault_grows_outwards() {
        let rejected = Rejected::missing("url").inside("image_url").inside_element("content", 1);
        assert_eq!(rejected.param, "content[1].image_url.url");
        assert_eq!(rejected.message, "`content[1].image_url.url` is required");
        let rejected = Rejected::wrong_type("", Kind::String).inside_element("stop", 2);
        assert_eq!((&*rejected.param, &*rejected.message), ("stop[2]", "`stop[2]` must be a string"));
    }
}
