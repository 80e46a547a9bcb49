//! What OpenAI's models take, by their names: a parameter that a model does not know is refused there with a 400, and
//! a caller of another protocol cannot know.

use crate::canonical::Effort;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// GPT-3.5 to GPT-4.1: they do not reason.
    Classic,
    /// o1, o3, o4.
    O,
    /// GPT-5 and later, with the minor version.
    Gpt { major: u32, minor: u32 },
    /// Nothing is known of it: what was asked for is written.
    Unknown,
}

impl Family {
    /// Of a model's name, with or without a publisher before it or the mark of a fine-tuned one.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let name = name.strip_prefix("ft:").unwrap_or(&name);
        if name.starts_with("chatgpt-") {
            return Self::Classic;
        }
        if let Some(version) = name.strip_prefix('o') {
            return if version.starts_with(|first: char| first.is_ascii_digit()) { Self::O } else { Self::Unknown };
        }
        let Some((major, rest)) = name.strip_prefix("gpt-").and_then(number) else { return Self::Unknown };
        let minor = rest.strip_prefix('.').and_then(number).map_or(0, |(minor, _)| minor);
        match (major, minor) {
            (..5, _) => Self::Classic,
            (5, 0) if rest.starts_with("-chat") => Self::Classic,
            _ => Self::Gpt { major, minor },
        }
    }

    /// Whether temperature and `top_p` other than the default are refused. Since GPT-5.1 they are taken where
    /// reasoning is off, which it is unless it is asked for.
    pub(super) fn refuses_sampling(self, effort: Option<Effort>) -> bool {
        match self {
            Self::Classic | Self::Unknown => false,
            Self::O | Self::Gpt { major: 5, minor: 0 } => true,
            Self::Gpt { .. } => effort.is_some_and(|effort| effort != Effort::None),
        }
    }

    pub(super) const fn refuses_penalties(self) -> bool {
        matches!(self, Self::O | Self::Gpt { .. })
    }

    pub(super) const fn refuses_parallel_control(self) -> bool {
        matches!(self, Self::O)
    }

    pub(super) const fn refuses_verbosity(self) -> bool {
        matches!(self, Self::Classic | Self::O)
    }

    /// The nearest effort that the model takes; `None` when it takes none at all.
    pub(super) fn effort(self, effort: Effort) -> Option<Effort> {
        match self {
            Self::Classic => None,
            Self::O => Some(effort.clamp(Effort::Low, Effort::High)),
            Self::Gpt { major: 5, minor: 0 } => Some(effort.clamp(Effort::Minimal, Effort::High)),
            Self::Gpt { major: 5, minor: 1 } => Some(without_minimal(effort).min(Effort::High)),
            Self::Gpt { major: 5, minor: 2..=5 } => Some(without_minimal(effort).min(Effort::ExtraHigh)),
            Self::Gpt { .. } | Self::Unknown => Some(effort),
        }
    }
}

/// GPT-5.1 replaced it by `none`, which is less than what was asked for.
fn without_minimal(effort: Effort) -> Effort {
    if effort == Effort::Minimal { Effort::Low } else { effort }
}

/// What providers of compatible protocols know: OpenAI's first three words.
pub(super) fn compatible_effort(effort: Effort) -> Option<Effort> {
    (effort != Effort::None).then(|| effort.clamp(Effort::Low, Effort::High))
}

/// Models of compatible providers that refuse a request in which an earlier call comes without the thoughts before it.
pub(super) fn wants_thoughts_back(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    ["deepseek", "kimi"].iter().any(|family| name.starts_with(family))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_name() {
        for (model, family) in [
            ("gpt-4o-mini", Family::Classic),
            ("ft:gpt-4.1-nano:acme::1", Family::Classic),
            ("gpt-3.5-turbo", Family::Classic),
            ("gpt-5-chat-latest", Family::Classic),
            ("o3", Family::O),
            ("openai/o4-mini", Family::O),
            ("gpt-5", Family::Gpt { major: 5, minor: 0 }),
            ("gpt-5.4-nano-2026-03-17", Family::Gpt { major: 5, minor: 4 }),
            ("gpt-6-astra", Family::Gpt { major: 6, minor: 0 }),
            ("gpt-oss-120b", Family::Unknown),
            ("omni", Family::Unknown),
            ("llama-3.3", Family::Unknown),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }

    #[test]
    fn efforts_are_brought_into_the_range_of_the_model() {
        assert_eq!(Family::of("o3").effort(Effort::None), Some(Effort::Low));
        assert_eq!(Family::of("gpt-5").effort(Effort::Max), Some(Effort::High));
        assert_eq!(Family::of("gpt-5.2").effort(Effort::Minimal), Some(Effort::Low));
        assert_eq!(Family::of("gpt-5.2").effort(Effort::None), Some(Effort::None));
        assert_eq!(Family::of("gpt-4.1").effort(Effort::High), None);
        assert_eq!(compatible_effort(Effort::None), None);
        assert_eq!(compatible_effort(Effort::Max), Some(Effort::High));
    }
}
