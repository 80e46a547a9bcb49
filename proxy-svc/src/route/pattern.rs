//! Model names with `*` in them: whether a name matches one.
//!
//! `*` stands for any run of characters, also an empty one; everything else stands for itself, case included. There is
//! nothing to escape because no provider has `*` in a model's name. Matching takes time linear in the name for each
//! run between two stars, and allocates nothing: it is on every request's way.

use std::fmt;

/// The longest pattern; providers' names stay far below.
pub const MAX_BYTES: usize = 256;

/// A model name, or a pattern of model names.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    form: Form,
}

/// Decided once, so that the usual forms cost one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// No star.
    Exact,
    /// One star, at the end.
    Prefix,
    /// Any other number or place of stars.
    Stars,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error("must not be empty")]
    Empty,
    #[error("must not be longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("must not contain control characters")]
    Control,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidPattern::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPattern::Control);
        }
        let form = match text.find('*') {
            None => Form::Exact,
            Some(star) if star + 1 == text.len() => Form::Prefix,
            Some(_) => Form::Stars,
        };
        Ok(Self { text: text.into(), form })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one name that it matches, when it has no star.
    pub fn exact_name(&self) -> Option<&str> {
        (self.form == Form::Exact).then_some(&self.text)
    }

    pub fn matches(&self, name: &str) -> bool {
        match self.form {
            Form::Exact => *self.text == *name,
            Form::Prefix => name.as_bytes().starts_with(&self.text.as_bytes()[..self.text.len() - 1]),
            Form::Stars => matches_stars(&self.text, name),
        }
    }
}

/// Taking each run at its first place is right because a later place leaves less for the runs that follow.
fn matches_stars(pattern: &str, name: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(prefix) else { return false };
    let Some(name) = name.strip_suffix(suffix) else { return false };
    let mut remaining = name.as_bytes();
    for run in middle.split('*') {
        let Some(at) = memchr::memmem::find(remaining, run.as_bytes()) else { return false };
        remaining = &remaining[at + run.len()..];
    }
    true
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    /// Backtracking over characters: slow and plainly right.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skipped| naive(rest, &name[skipped..])),
            Some((first, rest)) => name.first() == Some(first) && naive(rest, &name[1..]),
        }
    }

    #[test]
    fn star_stands_for_any_run() {
        for (pattern, name) in [
            ("gpt-4o", "gpt-4o"),
            ("gpt-*", "gpt-4o-mini"),
            ("gpt-*", "gpt-"),
            ("*", "anything"),
            ("*", ""),
            ("*-mini", "gpt-4o-mini"),
            ("gpt-*-mini", "gpt-4o-mini"),
            ("claude-*-4-*", "claude-sonnet-4-5"),
            ("**", "x"),
            ("a*b*c", "abbc"),
            ("*aab*", "aaab"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_differs_does_not_match() {
        for (pattern, name) in [
            ("gpt-4o", "gpt-4o-mini"),
            ("gpt-4o", "GPT-4o"),
            ("gpt-*", "gpt"),
            ("*-mini", "gpt-4o"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
            ("gpt.4", "gpt-4"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn only_a_name_without_stars_is_exact() {
        assert_eq!(Pattern::parse("gpt-4o").unwrap().exact_name(), Some("gpt-4o"));
        assert_eq!(Pattern::parse("gpt-*").unwrap().exact_name(), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::parse(""), Err(InvalidPattern::Empty));
        assert_eq!(Pattern::parse(&"x".repeat(257)), Err(InvalidPattern::TooLong));
        assert_eq!(Pattern::parse("gpt\n4"), Err(InvalidPattern::Control));
    }

    #[test]
    fn many_stars_over_a_long_name_end_soon() {
        let pattern = Pattern::parse(&"*a".repeat(128)).unwrap();
        let name = format!("{}b", "a".repeat(1_000_000));
        assert!(!pattern.matches(&name));
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab*é]{1,8}", name in "[abé]{0,10}") {
            let (pattern_characters, name_characters): (Vec<char>, Vec<char>) =
                (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), naive(&pattern_characters, &name_characters));
        }
    }
}
