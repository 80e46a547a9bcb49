//! What a model's name asks of the simulation.
//!
//! Behind `sim-`, anywhere in the name, follow words and pairs of word and number, separated by
//! dashes: `sim-chunks-50-gap-2`, `gpt-4o-sim-parallel`. The list is in this crate's README.

use std::time::Duration;

use super::fault::milliseconds;
use super::options::Options;

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, one for each word of a name")]
pub(crate) struct Profile {
    pub(crate) chunks: u32,
    pub(crate) gap: Duration,
    pub(crate) latency: Duration,
    pub(crate) text_bytes: usize,
    pub(crate) split_bytes: Option<usize>,
    pub(crate) parallel: bool,
    pub(crate) no_tools: bool,
    pub(crate) reasoning: bool,
    /// `OpenAI` chat: say the reasoning in `reasoning_content`, as compatible providers do.
    pub(crate) reasoning_content: bool,
    pub(crate) cached: bool,
    pub(crate) cache_write: bool,
    /// Say no.
    pub(crate) refusal: bool,
    /// A filter stops the answer in its middle.
    pub(crate) filtered: bool,
    /// A filter stops the prompt.
    pub(crate) blocked: bool,
    /// Anthropic: part of the thinking is encrypted.
    pub(crate) redacted: bool,
    /// Gemini: tools of its own brought text into the prompt.
    pub(crate) tool_use: bool,
    pub(crate) length: bool,
    pub(crate) unicode: bool,
    pub(crate) unknown: bool,
    /// Members that the provider does not know are refused.
    pub(crate) strict: bool,
    pub(crate) no_usage: bool,
}

impl Profile {
    pub(crate) fn of(model: &str, options: &Options) -> Self {
        let mut this = Self {
            chunks: options.chunks.max(1),
            gap: options.chunk_gap,
            latency: options.latency,
            text_bytes: options.answer_bytes,
            split_bytes: None,
            parallel: false,
            no_tools: false,
            reasoning: reasons(model),
            reasoning_content: model.contains("deepseek-reasoner"),
            cached: false,
            cache_write: false,
            refusal: false,
            filtered: false,
            blocked: false,
            redacted: false,
            tool_use: false,
            length: false,
            unicode: false,
            unknown: model.contains("no-such-model"),
            no_usage: false,
            strict: options.strict,
        };
        let Some(at) = model.find("sim-") else { return this };
        let mut words = model[at + 4..].split('-').peekable();
        while let Some(word) = words.next() {
            let number = words.peek().and_then(|next| next.parse::<u32>().ok());
            if this.set(word, number) {
                words.next();
            }
        }
        this
    }

    /// True when the number was used.
    fn set(&mut self, word: &str, number: Option<u32>) -> bool {
        if let Some(number) = number {
            match word {
                "chunks" => self.chunks = number.max(1),
                "gap" => self.gap = milliseconds(number.into()),
                "latency" => self.latency = milliseconds(number.into()),
                "bytes" => self.text_bytes = number as usize,
                "split" => self.split_bytes = Some(number.max(1) as usize),
                _ => return false,
            }
            return true;
        }
        match word {
            "parallel" => self.parallel = true,
            "notools" => self.no_tools = true,
            "reasoning" => self.reasoning = true,
            "reasoningcontent" => (self.reasoning, self.reasoning_content) = (true, true),
            "cached" => self.cached = true,
            "cachewrite" => self.cache_write = true,
            "refusal" => self.refusal = true,
            "filtered" => self.filtered = true,
            "blocked" => self.blocked = true,
            "redacted" => (self.reasoning, self.redacted) = (true, true),
            "tooluse" => self.tool_use = true,
            "length" => self.length = true,
            "unicode" => self.unicode = true,
            "unknown" => self.unknown = true,
            "strict" => self.strict = true,
            "nousage" => self.no_usage = true,
            _ => {}
        }
        false
    }
}

/// Models that think unasked.
fn reasons(model: &str) -> bool {
    let families = ["o1", "o3", "o4", "gpt-5", "gemini-2.5", "gemini-3", "deepseek-reasoner"];
    families.iter().any(|family| model.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_anywhere_in_the_name() {
        let profile = Profile::of("gpt-4o-sim-chunks-50-gap-2-parallel", &Options::default());
        assert_eq!((profile.chunks, profile.gap), (50, Duration::from_millis(2)));
        assert!(profile.parallel && !profile.reasoning);
    }

    #[test]
    fn other_names_get_the_defaults() {
        let options = Options { chunks: 3, answer_bytes: 7, ..Options::default() };
        let profile = Profile::of("gpt-4o-chunks-50", &options);
        assert_eq!((profile.chunks, profile.text_bytes), (3, 7));
        assert!(Profile::of("gpt-5-mini", &options).reasoning);
    }
}
