//! The registry of conversation formats: the one place that lists them all.

use crate::Protocol;
use crate::endpoint::Operation;
use crate::{anthropic, gemini, openai};

use super::Codec;

/// A shape in which a conversation with a model can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// Gemini `generateContent` and `streamGenerateContent`.
    Generate,
}

impl Format {
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Generate];

    /// What an operation speaks; `None` when it is no conversation.
    pub const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::ChatCompletions => Some(Self::Chat),
            Operation::Responses => Some(Self::Responses),
            Operation::Messages => Some(Self::Messages),
            Operation::GenerateContent | Operation::StreamGenerateContent => Some(Self::Generate),
            _ => None,
        }
    }

    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Chat | Self::Responses => Protocol::OpenAi,
            Self::Messages => Protocol::Anthropic,
            Self::Generate => Protocol::Gemini,
        }
    }

    /// The operation at an upstream, for metering and errors.
    pub const fn operation(self, stream: bool) -> Operation {
        match self {
            Self::Chat => Operation::ChatCompletions,
            Self::Responses => Operation::Responses,
            Self::Messages => Operation::Messages,
            Self::Generate if stream => Operation::StreamGenerateContent,
            Self::Generate => Operation::GenerateContent,
        }
    }

    /// The version prefix of its path, where a provider's base URL does not replace it.
    pub const fn version_prefix(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Messages => "/v1",
            Self::Generate => "/v1beta",
        }
    }

    /// In words, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "OpenAI chat completions",
            Self::Responses => "OpenAI Responses",
            Self::Messages => "Anthropic Messages",
            Self::Generate => "Gemini generateContent",
        }
    }

    pub(crate) const fn codec(self) -> &'static dyn Codec {
        match self {
            Self::Chat => &openai::chat::Chat,
            Self::Responses => &openai::responses::Responses,
            Self::Messages => &anthropic::messages::Messages,
            Self::Generate => &gemini::generate::Generate,
        }
    }
}
