//! Observed bytes → usage. It sees what passes and never alters it, but for the one chunk that the client did not ask
//! for.

pub(crate) mod bound;
pub(crate) mod price;

use bytes::Bytes;
use memchr::memmem;
use pingora::http::ResponseHeader;
use tollgate_dialect::{
    Protocol,
    endpoint::Operation,
    stream::{Forward, UsageChunkFilter},
    usage::{self, ProviderError, Tap, Usage},
};
use tollgate_shared::bounds::MOST_TOKENS;

use crate::{
    gateway::Inquiry,
    report::{Tokens, UsageSource},
};

/// Reads one answer's usage.
pub(crate) struct Meter {
    tap: Tap,
    filter: Option<UsageChunkFilter>,
    count: Count,
}

/// What is counted of an answer besides what the provider tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    event_stream: bool,
    metered: bool,
    /// Of a stream: each is at least a token, which is what is counted when the provider's own figures never came.
    events: u64,
    /// Of a whole answer that is text: counted in their place.
    text_bytes: u64,
    writes_text: bool,
}

/// Of an answer of which nothing else is known; its JSON counts along, so that it is rather too much.
const BYTES_PER_TOKEN: u64 = 4;

/// What an answer told.
pub(crate) struct Observed {
    pub(crate) usage: Observation,
    /// What was wrong with an answer whose status says that all is well.
    pub(crate) defect: Option<&'static str>,
}

/// What is known of an answer's cost.
#[derive(Debug)]
pub(crate) enum Observation {
    /// This kind of request costs nothing.
    Free,
    Told(Tokens),
    /// It costs something, and the provider told no figures; so many tokens of output went by, as far as can be seen.
    Untold {
        output: u64,
    },
}

impl Meter {
    /// `protocol` and `operation` are the upstream's.
    pub(crate) fn for_answer(
        inquiry: &Inquiry<'_>,
        protocol: Protocol,
        operation: Operation,
        header: Option<&ResponseHeader>,
    ) -> Self {
        let content_type = header.and_then(|header| header.headers.get(http::header::CONTENT_TYPE));
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let event_stream = content_type.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let answered = header.is_some_and(|header| header.status.is_success());
        Self {
            tap: Tap::for_answer(protocol, operation, content_type),
            filter: (event_stream && inquiry.adds_usage()).then(UsageChunkFilter::new),
            count: Count {
                event_stream,
                events: 0,
                text_bytes: 0,
                metered: answered && operation.is_metered(),
                writes_text: writes_text(operation),
            },
        }
    }

    pub(crate) fn is_event_stream(&self) -> bool {
        self.count.event_stream
    }

    /// What it would count besides the provider's figures.
    pub(crate) fn into_count(self) -> Count {
        self.count
    }

    /// The error that came in place of an answer. One in what was stored earlier is what was asked for.
    pub(crate) fn error(&self) -> Option<&ProviderError> {
        self.tap.error().filter(|_| self.count.metered)
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.count.metered && self.tap.is_blocked()
    }

    pub(crate) fn semantic_started(&self) -> bool {
        self.tap.semantic_started()
    }

    /// Whether all that came is no whole answer: of what is metered alone, other answers have no form that is known.
    pub(crate) fn lacks_its_end(&self) -> bool {
        let lacks = if self.count.event_stream { !self.tap.is_complete() } else { self.tap.lacks_its_end() };
        self.count.metered && lacks
    }

    /// Whether the client may get fewer bytes than the upstream sends.
    pub(crate) fn may_shorten(&self) -> bool {
        self.filter.is_some()
    }

    /// Reads a piece, and says what of it goes on; it may be nothing.
    pub(crate) fn pass(&mut self, chunk: Bytes) -> Bytes {
        self.tap.feed(&chunk);
        self.count.see(&chunk);
        match &mut self.filter {
            None => chunk,
            Some(filter) => match filter.filter(&chunk) {
                Forward::Piece(range) => chunk.slice(range),
                Forward::Copied(bytes) => Bytes::copy_from_slice(bytes),
            },
        }
    }

    /// Whether what passed so far ends with a whole event.
    pub(crate) fn is_after_whole_event(&self) -> bool {
        match &self.filter {
            // What it holds of an unfinished event never went out.
            Some(filter) => filter.is_after_whole_event(),
            None => self.tap.is_after_whole_event(),
        }
    }

    /// How many events have come, comments not counted.
    pub(crate) const fn events(&self) -> u64 {
        self.tap.events()
    }

    /// What was held back of the last event and goes on after all.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.filter.take().map(UsageChunkFilter::finish).unwrap_or_default().into()
    }

    /// A stream's usage up to now.
    pub(crate) fn so_far(&self) -> Option<Tokens> {
        self.tap.usage_so_far().as_ref().and_then(Tokens::partial)
    }

    pub(crate) fn finish(self) -> Observed {
        self.count.conclude(self.tap.finish())
    }
}

impl Count {
    /// Counts a piece of what the upstream sends.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        if self.event_stream {
            self.events += memmem::find_iter(piece, b"data:").count() as u64;
        } else if self.writes_text {
            self.text_bytes += piece.len() as u64;
        }
    }

    /// How many tokens of output there were at least, or about.
    const fn output(&self) -> u64 {
        if self.event_stream { self.events } else { self.text_bytes / BYTES_PER_TOKEN }
    }

    /// What an answer told, in the end.
    pub(crate) fn conclude(self, observed: usage::Observed) -> Observed {
        let source = if observed.complete { UsageSource::Provider } else { UsageSource::Partial };
        let told = observed.usage.and_then(|usage| tokens(&usage, source, observed.raw));
        let mut usage = match told {
            Some(told) => Observation::Told(told),
            None if self.metered => Observation::Untold { output: self.output() },
            None => Observation::Free,
        };
        if let Observation::Told(told) = &mut usage
            && !observed.complete
        {
            told.output = told.output.max(self.events);
        }
        let defect = if observed.error.is_some() {
            Some("upstream_error_in_answer")
        } else if self.event_stream && self.metered && !observed.complete {
            Some("upstream_stream_incomplete")
        } else {
            None
        };
        Observed { usage, defect }
    }
}

const fn writes_text(operation: Operation) -> bool {
    use Operation::{
        ChatCompletions, CompactResponse, Completions, GenerateContent, Messages, Responses, StreamGenerateContent,
    };
    matches!(
        operation,
        ChatCompletions
            | CompactResponse
            | Completions
            | GenerateContent
            | Messages
            | Responses
            | StreamGenerateContent
    )
}

impl Tokens {
    /// Of an answer that goes on.
    pub(crate) fn partial(usage: &Usage) -> Option<Self> {
        tokens(usage, UsageSource::Partial, None)
    }
}

/// `None` where a count is more than can be: it says nothing.
fn tokens(usage: &Usage, source: UsageSource, raw: Option<String>) -> Option<Tokens> {
    let Usage {
        input_uncached,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        input_audio,
        output_audio,
        input_image,
    } = *usage;
    let counts =
        [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning, input_audio, output_audio];
    let is_possible = counts.iter().chain([&input_image]).all(|count| *count <= MOST_TOKENS);
    is_possible.then(|| Tokens {
        input_uncached,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        input_audio,
        output_audio,
        input_image,
        source,
        raw: raw.map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untold_answer_is_counted_by_what_was_seen_of_it() {
        let of = |event_stream, writes_text| {
            let mut count = Count { event_stream, metered: true, events: 0, text_bytes: 0, writes_text };
            count.see(b"data: {}\n\ndata: {}\n\n");
            count.see(b"data: [DONE]\n\n");
            match count.conclude(usage::Observed::default()).usage {
                Observation::Untold { output } => output,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((of(true, true), of(false, true), of(false, false)), (3, 34 / 4, 0));
    }

    #[test]
    fn a_count_that_cannot_be_is_taken_for_untold() {
        let of = |usage| tokens(&usage, UsageSource::Provider, None);
        let told = Usage { input_uncached: 7, output: MOST_TOKENS, ..Usage::default() };
        assert_eq!(of(told).map(|tokens| tokens.output), Some(MOST_TOKENS));
        for broken in [
            Usage { output: MOST_TOKENS + 1, ..Usage::default() },
            Usage { input_uncached: u64::MAX, ..Usage::default() },
            Usage { input_image: u64::MAX, ..Usage::default() },
        ] {
            assert_eq!(of(broken), None);
        }
    }
}
