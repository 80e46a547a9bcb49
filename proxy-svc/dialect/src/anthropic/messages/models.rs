//! What Anthropic's models take, by their names: limits and controls differ from one to the next, and what a model does
//! not know it answers with a 400.
//!
//! The source of every row are Anthropic's pages on models (overviews and migration guides), on thinking, on effort and
//! on structured outputs, as of 2026-11. A name that is not understood (another maker's model behind this protocol, an
//! alias) gets what the oldest models that think take, and little of it.

use crate::canonical::Effort;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// Its name was understood.
    pub(super) is_known: bool,
    /// The most that `max_tokens` can be.
    pub(super) max_tokens: u64,
    pub(super) thinking: Thinking,
    pub(super) efforts: Efforts,
    pub(super) sampling: Sampling,
    /// The conversation may end with the beginning of the answer.
    pub(super) takes_prefill: bool,
    /// `output_config.format` and strict tools.
    pub(super) takes_schemas: bool,
}

/// How it can be told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    Never,
    /// With a budget.
    Budget,
    /// With a budget, or as it sees fit.
    Either,
    /// As it sees fit.
    Adaptive(Off),
}

/// How a model that thinks as it sees fit is kept from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// It does not think unless it is told to.
    Unasked,
    Disabled,
    /// `between_tools`; forcing a tool is an error all the same.
    BetweenTools,
    /// Not at all. Therefore no tool can be forced either.
    Never,
}

/// The words of `output_config.effort` that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Efforts {
    None,
    /// `low`, `medium`, `high`.
    ToHigh,
    /// Also `max`.
    Max,
    /// Also `xhigh`.
    All,
}

/// Which of `temperature`, `top_p` and `top_k` it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    All,
    /// Not `temperature` and `top_p` together.
    OneOf,
    None,
}

const UNKNOWN: Model = Model {
    is_known: false,
    max_tokens: 8192,
    thinking: Thinking::Budget,
    efforts: Efforts::None,
    sampling: Sampling::All,
    takes_prefill: true,
    takes_schemas: true,
};

impl Model {
    /// By the upstream's name, also as resellers write it (`us.anthropic.claude-opus-4-6-v1:0`, `claude-haiku-4-5@…`).
    pub(super) fn named(name: &str) -> Self {
        let Some((line, version)) = parse(name) else { return UNKNOWN };
        Self {
            is_known: true,
            max_tokens: match version {
                ..35 => 4096,
                35..37 => 8192,
                40..45 if line == "opus" => 32_000,
                37..46 => 64_000,
                _ => 128_000,
            },
            thinking: thinking(line, version),
            efforts: match (line, version) {
                ("opus", 45) => Efforts::ToHigh,
                (_, ..46) => Efforts::None,
                (_, 46) => Efforts::Max,
                _ => Efforts::All,
            },
            sampling: match version {
                ..41 => Sampling::All,
                41..47 if line != "mythos" => Sampling::OneOf,
                _ => Sampling::None,
            },
            takes_prefill: version < 46,
            takes_schemas: version >= 45 || (line, version) == ("opus", 41),
        }
    }

    pub(super) fn takes_forced_tools(&self) -> bool {
        !matches!(self.thinking, Thinking::Adaptive(Off::Never | Off::BetweenTools))
    }

    /// It shows no thoughts unless it is told to.
    pub(super) fn hides_thoughts(&self) -> bool {
        matches!(self.thinking, Thinking::Adaptive(_))
    }
}

fn thinking(line: &str, version: u32) -> Thinking {
    match (line, version) {
        (_, ..37) => Thinking::Never,
        ("fable" | "mythos", _) => Thinking::Adaptive(Off::Never),
        (_, ..46) => Thinking::Budget,
        (_, 46) => Thinking::Either,
        (_, 47..50) => Thinking::Adaptive(Off::Unasked),
        ("sonnet", 55) => Thinking::Adaptive(Off::BetweenTools),
        ("haiku", 55) | (_, 50..55) => Thinking::Adaptive(Off::Disabled),
        // The newest, and those to come: nothing is said that one of them may refuse.
        _ => Thinking::Adaptive(Off::Never),
    }
}

/// The line (`opus`, …) and ten times the version.
fn parse(name: &str) -> Option<(&str, u32)> {
    let (_, rest) = name.split_once("claude-")?;
    let mut line = None;
    let (mut major, mut minor) = (None, None);
    let mut follows_major = false;
    for part in rest.split(['-', '.', '@', ':', '_']) {
        let number = part.parse::<u32>().ok().filter(|_| part.len() <= 2);
        match (number, major) {
            (Some(number), None) => {
                major = Some(number);
                follows_major = true;
                continue;
            }
            (Some(number), Some(_)) if follows_major => minor = Some(number.min(9)),
            _ if matches!(part, "opus" | "sonnet" | "haiku" | "fable" | "mythos") => line = line.or(Some(part)),
            _ => {}
        }
        follows_major = false;
    }
    match (line?, major) {
        // The preview has no number; it came between 4.6 and 4.7 and is like the former in its efforts.
        ("mythos", None) => Some(("mythos", 46)),
        (line, Some(major)) => Some((line, major.checked_mul(10)? + minor.unwrap_or_default())),
        _ => None,
    }
}

impl Efforts {
    /// The word that comes closest, and whether it is the very one. `None` where there is none.
    pub(super) const fn word(self, effort: Effort) -> Option<(&'static str, bool)> {
        let found = match (self, effort) {
            (Self::None, _) | (_, Effort::None) => return None,
            (_, Effort::Minimal) => ("low", false),
            (_, Effort::Low) => ("low", true),
            (_, Effort::Medium) => ("medium", true),
            (Self::All, Effort::ExtraHigh) => ("xhigh", true),
            (Self::Max | Self::All, Effort::Max) => ("max", true),
            (_, Effort::ExtraHigh | Effort::Max) => ("high", false),
            (_, Effort::High) => ("high", true),
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_however_they_are_written() {
        for (name, parsed) in [
            ("claude-3-opus-20240229", Some(("opus", 30))),
            ("claude-3-5-sonnet-latest", Some(("sonnet", 35))),
            ("claude-3-7-sonnet-20250219", Some(("sonnet", 37))),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", Some(("haiku", 35))),
            ("claude-opus-4-20250514", Some(("opus", 40))),
            ("anthropic.claude-opus-4-1-20250805-v1:0", Some(("opus", 41))),
            ("claude-4-opus-20250514", Some(("opus", 40))),
            ("us.anthropic.claude-opus-4-6-v1", Some(("opus", 46))),
            ("claude-haiku-4-5@20251001", Some(("haiku", 45))),
            ("anthropic/claude-sonnet-4.5", Some(("sonnet", 45))),
            ("claude-sonnet-5", Some(("sonnet", 50))),
            ("claude-fable-5-1", Some(("fable", 51))),
            ("claude-mythos-preview", Some(("mythos", 46))),
            ("claude-instant-1.2", None),
            ("glm-5", None),
            ("claude-", None),
        ] {
            assert_eq!(parse(name), parsed, "{name}");
        }
    }

    #[test]
    fn models_take_what_their_pages_say() {
        let limits = ["claude-3-haiku-20240307", "claude-3-5-haiku-latest", "claude-opus-4-1", "claude-sonnet-4-0"]
            .map(|name| Model::named(name).max_tokens);
        assert_eq!(limits, [4096, 8192, 32_000, 64_000]);
        let limits = ["claude-haiku-4-5", "claude-opus-4-5", "claude-opus-4-6", "claude-haiku-5-5", "other"]
            .map(|name| Model::named(name).max_tokens);
        assert_eq!(limits, [64_000, 64_000, 128_000, 128_000, 8192]);
        for (name, thinking) in [
            ("claude-3-5-sonnet-20241022", Thinking::Never),
            ("claude-haiku-4-5", Thinking::Budget),
            ("claude-sonnet-4-6", Thinking::Either),
            ("claude-opus-4-8", Thinking::Adaptive(Off::Unasked)),
            ("claude-sonnet-5", Thinking::Adaptive(Off::Disabled)),
            ("claude-haiku-5-5", Thinking::Adaptive(Off::Disabled)),
            ("claude-sonnet-5-5", Thinking::Adaptive(Off::BetweenTools)),
            ("claude-opus-5-5", Thinking::Adaptive(Off::Never)),
            ("claude-fable-5", Thinking::Adaptive(Off::Never)),
            ("claude-mythos-preview", Thinking::Adaptive(Off::Never)),
            ("claude-opus-6", Thinking::Adaptive(Off::Never)),
        ] {
            assert_eq!(Model::named(name).thinking, thinking, "{name}");
        }
        assert_eq!(Model::named("claude-opus-4-5").efforts, Efforts::ToHigh);
        assert_eq!(Model::named("claude-sonnet-4-5").efforts, Efforts::None);
        assert_eq!(Model::named("claude-mythos-preview").efforts, Efforts::Max);
        assert_eq!(Model::named("claude-sonnet-4-5").sampling, Sampling::OneOf);
        assert_eq!(Model::named("claude-opus-4-7").sampling, Sampling::None);
        assert!(Model::named("claude-sonnet-4-5").takes_prefill && !Model::named("claude-sonnet-4-6").takes_prefill);
        assert!(!Model::named("claude-sonnet-4-0").takes_schemas && Model::named("claude-opus-4-1").takes_schemas);
        assert!(Model::named("claude-opus-5").takes_forced_tools());
        assert!(!Model::named("claude-sonnet-5-5").takes_forced_tools());
    }
}
