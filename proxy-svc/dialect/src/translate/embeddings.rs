//! Embeddings between OpenAI's and Gemini's protocols. Anthropic has none.

use super::policy::{Foreign, Verdict};
use super::{How, Note, Rejected, Target, Terms, Written};
use crate::Protocol;
use crate::canonical::Text;
use crate::endpoint::Operation;
use crate::json::Value;
use crate::usage::Usage;
use crate::{gemini, openai};

/// A caller's way of asking for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingShape {
    /// OpenAI's: one text or many.
    OpenAi,
    /// Gemini's `embedContent`: one content.
    GeminiOne,
    /// Gemini's `batchEmbedContents`.
    GeminiMany,
}

/// Texts to embed, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EmbeddingRequest<'a> {
    pub(crate) inputs: Vec<Text<'a>>,
    pub(crate) dimensions: Option<u64>,
    pub(crate) notes: Vec<Note>,
}

/// The vectors of an answer, as arrays of numbers or, from OpenAI, as base64 of little-endian 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embeddings<'a> {
    pub(crate) vectors: Vec<Value<'a>>,
    pub(crate) model: Option<Text<'a>>,
}

impl EmbeddingShape {
    pub const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::Embeddings => Some(Self::OpenAi),
            Operation::EmbedContent => Some(Self::GeminiOne),
            Operation::BatchEmbedContents => Some(Self::GeminiMany),
            _ => None,
        }
    }

    pub fn protocol(self) -> Protocol {
        match self {
            Self::OpenAi => Protocol::OpenAi,
            Self::GeminiOne | Self::GeminiMany => Protocol::Gemini,
        }
    }
}

/// Writes a caller's request for an upstream of another protocol.
pub fn write_embedding_request(
    shape: EmbeddingShape,
    body: &[u8],
    to: Protocol,
    target: &Target<'_>,
) -> Result<Written, Rejected> {
    let body = Value::parse(body).map_err(|malformed| Rejected::new("", malformed.to_string()))?;
    let request = match shape {
        EmbeddingShape::OpenAi => openai::embeddings::read_request(body)?,
        EmbeddingShape::GeminiOne => gemini::embeddings::read_one(body)?,
        EmbeddingShape::GeminiMany => gemini::embeddings::read_many(body)?,
    };
    let mut written = Vec::with_capacity(body.raw().len() + 128);
    let path = if to == Protocol::OpenAi {
        openai::embeddings::write_request(&request, target.model, &mut written)
    } else if to == Protocol::Gemini {
        gemini::check_model(target.model)?;
        gemini::embeddings::write_request(&request, target.model, &mut written)
    } else {
        return Err(Rejected::new("model", "this model's provider has no embeddings"));
    };
    Ok(Written { body: written, path, notes: request.notes, names: super::Names::default() })
}

/// Writes an upstream's answer for the caller; `None` when it is none.
pub(super) fn write_embedding_answer(
    from: Protocol,
    shape: EmbeddingShape,
    body: &[u8],
    usage: Option<&Usage>,
    terms: &Terms<'_>,
) -> Option<Vec<u8>> {
    let body = Value::parse(body).ok()?;
    let answer = if from == Protocol::OpenAi {
        openai::embeddings::read_answer(body)?
    } else if from == Protocol::Gemini {
        gemini::embeddings::read_answer(body)?
    } else {
        return None;
    };
    let mut out = Vec::with_capacity(body.raw().len() + 256);
    match shape {
        EmbeddingShape::OpenAi => openai::embeddings::write_answer(&answer, usage, terms, &mut out)?,
        EmbeddingShape::GeminiOne => gemini::embeddings::write_one(&answer, &mut out)?,
        EmbeddingShape::GeminiMany => gemini::embeddings::write_many(&answer, &mut out)?,
    }
    Some(out)
}

/// Members of an embedding request that have no place in the other protocol.
pub const FOREIGN: &[Foreign] = &[
    Foreign { field: "user", verdict: Verdict::Adapted(How::Dropped, "the provider is told of no user") },
    Foreign { field: "taskType", verdict: Verdict::Adapted(How::Dropped, "the provider embeds for no special task") },
    Foreign { field: "task_type", verdict: Verdict::Adapted(How::Dropped, "the provider embeds for no special task") },
    Foreign { field: "title", verdict: Verdict::Adapted(How::Dropped, "the provider takes no title") },
    Foreign { field: "autoTruncate", verdict: Verdict::Adapted(How::Dropped, "the provider refuses what is too long") },
];
