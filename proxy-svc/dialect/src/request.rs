//! What a request's body says that the gateway must know: read in place, in one pass, without a tree.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::Range;

use crate::json::Members;

mod multipart;
mod scan;

pub use crate::json::Malformed;
pub use multipart::{Form, multipart_model};
pub use scan::scan;

/// What a JSON body says at its top. Where a name stands twice, the last one counts, as it does for providers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestScan<'a> {
    /// `None` when there is none, or it is null, or it is no string (see `mistyped`).
    pub model: Option<Cow<'a, str>>,
    /// Every value of a top-level `model`, with its quotes.
    pub model_spans: Spans,
    /// They are not all the same: who reads another one than the last sees another model. [`crate::rewrite`] makes
    /// them one.
    pub has_several_models: bool,
    /// Every model that is named again inside: of Gemini's batched embeddings and counts, of the requests in a batch
    /// of Anthropic's messages.
    pub inner_model_spans: Spans,
    /// The name of a member that is there and has the wrong type.
    pub mistyped: Option<&'static str>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    /// The largest of the limits on output tokens that the body sets, under whatever name.
    pub max_output_tokens: Option<u64>,
    /// The most answers that are made for a prompt: `n`, `best_of`, or Gemini's `candidateCount`.
    pub choices: Option<u64>,
    /// How many prompts a legacy completion lists, where it lists any.
    pub prompts: Option<u64>,
    pub store: Option<bool>,
    /// The request goes on from one that is stored at the provider.
    pub has_previous_response_id: bool,
    /// The answer is made later, and fetched.
    pub background: Option<bool>,
    prompt_cache_key: Option<ShortSpan>,
    metadata: Option<ShortSpan>,
    /// Behind the opening brace: where a member may be put in.
    pub(crate) insert_at: usize,
    pub(crate) is_empty: bool,
}

impl RequestScan<'_> {
    /// Whether the caller asked for usage in the stream.
    pub fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    /// OpenAI's name for requests that begin alike. `body`: the one that was scanned.
    pub fn prompt_cache_key<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, str>> {
        crate::json::string(body.get(self.prompt_cache_key?.range())?)
    }

    /// Anthropic's `metadata.user_id`. `body`: the one that was scanned.
    pub fn metadata_user_id<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, str>> {
        let metadata = body.get(self.metadata?.range())?;
        let user_id = Members::of(metadata)?.flatten().filter(|member| *member.key == *b"user_id").last()?;
        crate::json::string(metadata.get(user_id.value)?)
    }
}

/// A place in a body, small, because few requests need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShortSpan {
    start: u32,
    end: NonZeroU32,
}

impl ShortSpan {
    /// `None` beyond what any body has.
    fn of(span: &Range<usize>) -> Option<Self> {
        let end = NonZeroU32::new(u32::try_from(span.end).ok()?)?;
        Some(Self { start: u32::try_from(span.start).ok()?, end })
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end.get() as usize
    }
}

/// The model that is named at one of a body's model spans; `None` when what stands there is no string.
pub fn model_at(body: &[u8], span: Range<usize>) -> Option<Cow<'_, str>> {
    crate::json::string(body.get(span)?)
}

/// The value of `stream_options`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    pub span: Range<usize>,
    pub include_usage: Option<bool>,
    pub(crate) shape: OptionsShape,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OptionsShape {
    Null,
    /// No object: the provider will refuse it.
    Other,
    Object {
        is_empty: bool,
        /// The last value of `include_usage`.
        include_usage: Option<Range<usize>>,
    },
}

/// Places in a body; nearly always none or one, which costs no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    first: Option<Range<usize>>,
    more: Vec<Range<usize>>,
}

impl Spans {
    pub(crate) fn push(&mut self, span: Range<usize>) {
        if self.first.is_none() {
            self.first = Some(span);
        } else {
            self.more.push(span);
        }
    }

    /// In the order in which they stand in the body.
    pub fn iter(&self) -> impl Iterator<Item = &Range<usize>> {
        self.first.iter().chain(&self.more)
    }

    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[cfg(test)]
mod tests;
