//! Names of tools that a target does not take, and what they were.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Shortened names of one request and their originals, to be put back into the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    shortened: HashMap<String, String>,
    originals: HashMap<String, String>,
}

/// What a protocol takes as a tool's name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameRule {
    pub(crate) max_length: usize,
    /// The characters besides letters, digits and `_`.
    pub(crate) others: &'static str,
    /// It must begin with a letter or `_`.
    pub(crate) begins_with_letter: bool,
}

impl NameRule {
    fn accepts(self, name: &str) -> bool {
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || character == '_' || self.others.contains(character);
        let begins = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        (1..=self.max_length).contains(&name.len()) && name.chars().all(allowed) && (begins || !self.begins_with_letter)
    }
}

impl Names {
    /// The name for a target: as it is where the rule takes it, else with what it does not take replaced, and told
    /// apart by a hash of the whole name at its end.
    pub(crate) fn fit<'n>(&mut self, name: &'n str, rule: NameRule) -> Cow<'n, str> {
        if rule.accepts(name) {
            return Cow::Borrowed(name);
        }
        if let Some(short) = self.shortened.get(name) {
            return Cow::Owned(short.clone());
        }
        let mut short = String::from(if rule.begins_with_letter { "t_" } else { "" });
        let replaced = name.chars().map(|character| {
            if character.is_ascii_alphanumeric() || rule.others.contains(character) { character } else { '_' }
        });
        short.extend(replaced.take(rule.max_length - 20));
        // Writing into a string does not fail.
        let _ = write!(short, "_{:016x}", hash(name));
        self.shortened.insert(name.to_owned(), short.clone());
        self.originals.entry(short.clone()).or_insert_with(|| name.to_owned());
        Cow::Owned(short)
    }

    /// The caller's name of a tool that the answer names.
    pub fn original<'n>(&'n self, name: &'n str) -> &'n str {
        self.originals.get(name).map_or(name, String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.shortened.is_empty()
    }
}

/// FNV-1a: the same name must be shortened the same way in every turn of a conversation, at every proxy and version.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: NameRule = NameRule { max_length: 64, others: "-", begins_with_letter: false };

    #[test]
    fn names_that_do_not_fit_are_told_apart_and_come_back() {
        let mut names = Names::default();
        let (long, other) = ("a".repeat(90), format!("{}b", "a".repeat(89)));
        let first = names.fit(&long, RULE).into_owned();
        let second = names.fit(&other, RULE).into_owned();
        assert_ne!(first, second);
        assert!(RULE.accepts(&first) && RULE.accepts(&second));
        assert_eq!(names.fit(&long, RULE), first);
        assert_eq!(names.original(&second), other);
        assert_eq!(names.fit("weather-now", RULE), "weather-now");
        assert_eq!(names.original("weather-now"), "weather-now");
        assert!(RULE.accepts(&names.fit("größe.x", RULE)));
    }
}
