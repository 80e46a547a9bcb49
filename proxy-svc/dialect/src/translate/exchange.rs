//! What can be translated: conversations, counts of their tokens, and embeddings.

use super::embeddings::{EmbeddingShape, write_embedding_answer};
use super::{Format, Names, Terms, Unreadable, answer, count};
use crate::Protocol;
use crate::endpoint::Operation;
use crate::usage::Usage;

/// What a caller wants, in whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Conversation(Format),
    /// How many tokens a conversation takes.
    TokenCount(Format),
    Embeddings(EmbeddingShape),
}

/// One request's way: in whose words it goes upstream, and in whose the answer comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    Conversation { from: Format, to: Format },
    TokenCount { from: Format, to: Format },
    Embeddings { from: Protocol, to: EmbeddingShape },
}

impl Task {
    /// What an operation is; `None` when only a provider of the caller's protocol can serve it.
    pub fn of(protocol: Protocol, operation: Operation) -> Option<Self> {
        let counted = match (protocol, operation) {
            (Protocol::Anthropic, Operation::CountTokens) => Some(Format::Messages),
            (Protocol::Gemini, Operation::CountTokens) => Some(Format::Generate),
            (Protocol::OpenAi, Operation::ResponseInputTokens) => Some(Format::Responses),
            _ => None,
        };
        Format::of(operation)
            .map(Self::Conversation)
            .or(counted.map(Self::TokenCount))
            .or(EmbeddingShape::of(operation).map(Self::Embeddings))
    }

    pub fn protocol(self) -> Protocol {
        match self {
            Self::Conversation(format) | Self::TokenCount(format) => format.protocol(),
            Self::Embeddings(shape) => shape.protocol(),
        }
    }
}

impl Exchange {
    /// What the upstream speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Conversation { from, .. } | Self::TokenCount { from, .. } => from.protocol(),
            Self::Embeddings { from, .. } => from,
        }
    }

    /// The upstream's operation, for metering and errors.
    pub fn operation(self, stream: bool) -> Operation {
        match self {
            Self::Conversation { from, .. } => from.operation(stream),
            Self::TokenCount { from: Format::Chat | Format::Responses, .. } => Operation::ResponseInputTokens,
            Self::TokenCount { .. } => Operation::CountTokens,
            Self::Embeddings { from: Protocol::Gemini, .. } => Operation::BatchEmbedContents,
            Self::Embeddings { .. } => Operation::Embeddings,
        }
    }

    /// The version prefix of the upstream's path, where its base URL does not replace it.
    pub fn version_prefix(self) -> &'static str {
        match self {
            Self::Conversation { from, .. } | Self::TokenCount { from, .. } => from.version_prefix(),
            Self::Embeddings { from: Protocol::Gemini, .. } => Format::Generate.version_prefix(),
            Self::Embeddings { .. } => Format::Chat.version_prefix(),
        }
    }

    /// Writes a whole answer for the caller. `usage` is what [`crate::usage::Tap`] found in the same body; `names` are
    /// those that the request was written with.
    pub fn write_answer(
        self,
        body: &[u8],
        usage: Option<&Usage>,
        terms: &Terms<'_>,
        names: &Names,
    ) -> Result<Vec<u8>, Unreadable> {
        match self {
            Self::Conversation { from, to } => answer::write_answer(from, to, body, usage, terms, names),
            Self::TokenCount { from, to } => {
                count::read_count(from, body).map(|tokens| count::write_count(to, tokens)).ok_or(Unreadable)
            }
            Self::Embeddings { from, to } => write_embedding_answer(from, to, body, usage, terms).ok_or(Unreadable),
        }
    }
}
