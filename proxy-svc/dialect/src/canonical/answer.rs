//! A whole answer.

use std::borrow::Cow;

use super::{Block, Text};

/// What a model said. Its usage is not here: it has one source, [`crate::usage`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer<'a> {
    /// The provider's id of it.
    pub id: Option<Text<'a>>,
    /// The model that the provider says it used.
    pub model: Option<Text<'a>>,
    /// By their index. Empty when the prompt itself was blocked: then `blocked` says so.
    pub choices: Vec<Choice<'a>>,
    /// The provider refused the prompt, in its own word for why.
    pub blocked: Option<Text<'a>>,
}

/// One of the answers; there is one unless several were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<'a> {
    pub index: u32,
    pub content: Vec<Block<'a>>,
    pub finish: Finish,
    /// The text at which it stopped.
    pub stop_sequence: Option<Text<'a>>,
    /// JSON in OpenAI's shape: `{"content": [{token, logprob, bytes, top_logprobs}], "refusal": null}`, for those who
    /// asked.
    pub log_probabilities: Option<Cow<'a, str>>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    #[default]
    Stop,
    /// At one of the texts that were given.
    StopSequence,
    /// The limit on output tokens.
    Length,
    /// The context is full.
    ContextWindow,
    ToolCalls,
    /// The provider's content policy, or the model's own refusal.
    ContentFilter,
    /// The model broke off and can be asked to go on (Anthropic's `pause_turn`).
    Pause,
}
