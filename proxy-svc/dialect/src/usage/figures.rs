//! Counts of tokens, as providers report them and as the gateway bills them.

/// Tokens of one answer. `input_uncached + cache_read + cache_write_5m + cache_write_1h` is the prompt; `output`
/// includes `reasoning`; the audio and image parts are parts of the above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_uncached: u64,
    pub cache_read: u64,
    /// Written to a cache for a short time (five minutes at Anthropic), or without saying for how long.
    pub cache_write_5m: u64,
    /// Written for a long time (an hour at Anthropic).
    pub cache_write_1h: u64,
    pub output: u64,
    pub reasoning: u64,
    pub input_audio: u64,
    pub output_audio: u64,
    pub input_image: u64,
}

impl Usage {
    pub const fn prompt(&self) -> u64 {
        self.input_uncached
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// Splits a prompt whose count includes what was read from and written to a cache. Parts that are more than the
    /// whole are cut, so that the invariant holds whatever a provider says.
    pub(crate) fn of_prompt(prompt: u64, read: u64, written_5m: u64, written_1h: u64) -> Self {
        let cache_read = read.min(prompt);
        let rest = prompt - cache_read;
        let cache_write_5m = written_5m.min(rest);
        let rest = rest - cache_write_5m;
        let cache_write_1h = written_1h.min(rest);
        Self { input_uncached: rest - cache_write_1h, cache_read, cache_write_5m, cache_write_1h, ..Self::default() }
    }
}

/// What a provider has said so far, in its own terms. In a stream a later figure replaces an earlier one field by
/// field, because some events repeat only a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    /// With or without what the cache gave, as the provider counts.
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) cache_write_short: Option<u64>,
    pub(crate) cache_write_long: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    /// Input that tools brought in beside the prompt.
    pub(crate) tool_input: Option<u64>,
    pub(crate) input_audio: Option<u64>,
    pub(crate) output_audio: Option<u64>,
    pub(crate) input_image: Option<u64>,
}

impl Reported {
    /// Whether any figure was told that usage can be derived from.
    pub(crate) fn is_some(&self) -> bool {
        [self.input, self.output, self.total, self.cache_read, self.cache_write, self.reasoning]
            .iter()
            .any(Option::is_some)
    }
}

/// Replaces a figure by a newer one, when there is a newer one.
pub(crate) fn update(figure: &mut Option<u64>, newer: Option<u64>) {
    if newer.is_some() {
        *figure = newer;
    }
}
