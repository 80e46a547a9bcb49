//! What OpenAI's models differ in that a request has to mind. Of a name that is not listed everything is said as the
//! caller said it, and the provider decides: it may be newer than this, or another provider's.

use crate::canonical::Effort;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    /// It knows no `reasoning` at all.
    Never,
    /// It takes efforts from the first to the second, and no `temperature` unless the effort is none.
    Within(Effort, Effort),
    Unknown,
    /// Another provider behind the same protocol: it takes the three efforts that all know.
    Compatible,
}

/// Beginnings of names; the longest that fits counts.
const MODELS: &[(&str, Reasons)] = &[
    ("gpt-3.5", Reasons::Never),
    ("gpt-4", Reasons::Never),
    ("chatgpt-", Reasons::Never),
    ("o1", Reasons::Within(Effort::Low, Effort::High)),
    ("o3", Reasons::Within(Effort::Low, Effort::High)),
    ("o4", Reasons::Within(Effort::Low, Effort::High)),
    ("gpt-5", Reasons::Within(Effort::Minimal, Effort::High)),
    ("gpt-5-chat", Reasons::Never),
    ("gpt-5-codex", Reasons::Within(Effort::Low, Effort::High)),
    ("gpt-5-pro", Reasons::Within(Effort::High, Effort::High)),
    ("gpt-5.", Reasons::Within(Effort::None, Effort::Max)),
    ("gpt-5.1", Reasons::Within(Effort::None, Effort::High)),
    ("gpt-5.1-chat", Reasons::Unknown),
    ("gpt-5.1-codex", Reasons::Within(Effort::Low, Effort::High)),
    ("gpt-5.1-codex-max", Reasons::Within(Effort::None, Effort::ExtraHigh)),
    ("gpt-5.2", Reasons::Within(Effort::None, Effort::ExtraHigh)),
    ("gpt-5.2-chat", Reasons::Unknown),
    ("gpt-5.2-codex", Reasons::Within(Effort::Low, Effort::ExtraHigh)),
    ("gpt-5.2-pro", Reasons::Within(Effort::Medium, Effort::ExtraHigh)),
    ("gpt-5.3-codex", Reasons::Within(Effort::Low, Effort::ExtraHigh)),
    ("gpt-5.3-chat", Reasons::Unknown),
    ("gpt-5.4", Reasons::Within(Effort::None, Effort::ExtraHigh)),
    ("gpt-5.4-pro", Reasons::Unknown),
    ("gpt-5.5", Reasons::Within(Effort::None, Effort::ExtraHigh)),
    ("gpt-5.5-pro", Reasons::Unknown),
    ("gpt-6", Reasons::Within(Effort::None, Effort::Max)),
];

/// By the name of a model at OpenAI, with a tuned one's prefix.
pub(super) fn reasons(model: &str) -> Reasons {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    MODELS
        .iter()
        .filter(|(beginning, _)| name.starts_with(beginning))
        .max_by_key(|(beginning, _)| beginning.len())
        .map_or(Reasons::Unknown, |(_, reasons)| *reasons)
}

impl Reasons {
    /// The effort that comes closest of those that it takes.
    pub(super) fn clamp(self, effort: Effort) -> Effort {
        match self {
            // `minimal` is of one generation, whose lowest it is.
            Self::Within(lowest, highest) if effort == Effort::Minimal && lowest != Effort::Minimal => {
                Effort::Low.clamp(lowest, highest)
            }
            Self::Within(lowest, highest) => effort.clamp(lowest, highest),
            Self::Compatible => effort.clamp(Effort::Low, Effort::High),
            Self::Never | Self::Unknown => effort,
        }
    }

    /// Whether it takes `temperature` and `top_p` with this effort.
    pub(super) fn takes_temperature(self, effort: Option<Effort>) -> bool {
        match self {
            Self::Never | Self::Unknown | Self::Compatible => true,
            // Those that can go without thinking do so unless they are told to.
            Self::Within(Effort::None, _) => effort.is_none_or(|effort| effort == Effort::None),
            Self::Within(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_counts() {
        assert_eq!(reasons("gpt-4o-mini"), Reasons::Never);
        assert_eq!(reasons("ft:gpt-4.1:acme::1"), Reasons::Never);
        assert_eq!(reasons("gpt-5-mini-2025-08-07").clamp(Effort::None), Effort::Minimal);
        assert_eq!(reasons("gpt-5-chat-latest"), Reasons::Never);
        assert_eq!(reasons("gpt-5.4-mini").clamp(Effort::Max), Effort::ExtraHigh);
        assert_eq!(reasons("o3").clamp(Effort::Minimal), Effort::Low);
        assert_eq!(reasons("gpt-6-astra").clamp(Effort::Minimal), Effort::Low);
        assert_eq!(reasons("gpt-6-astra").clamp(Effort::Max), Effort::Max);
        assert_eq!(reasons("gpt-5-pro").clamp(Effort::Minimal), Effort::High);
        assert_eq!(reasons("anything").clamp(Effort::Max), Effort::Max);
    }

    #[test]
    fn a_model_that_thinks_takes_no_temperature() {
        assert!(!reasons("o3").takes_temperature(None));
        assert!(!reasons("gpt-5").takes_temperature(None));
        assert!(reasons("gpt-5.4").takes_temperature(None));
        assert!(!reasons("gpt-5.4").takes_temperature(Some(Effort::Low)));
        assert!(reasons("gpt-4.1").takes_temperature(None));
    }
}
