//! Values that must not be seen.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A text that is wiped when dropped, printed as `[secret]`, and read only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value in clear. Each call is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of a secret so that a person recognises it: its first and last characters
    /// (`sk-…a1B2`), and nothing of one that is shorter than 16 characters.
    pub fn fingerprint(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        if characters.len() < 16 {
            return "…".to_owned();
        }
        let head: String = characters[..3].iter().collect();
        let tail: String = characters[characters.len() - 4..].iter().collect();
        format!("{head}…{tail}")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("sk-canary".into())), "[secret]");
    }

    #[test]
    fn fingerprint_shows_the_ends_of_long_secrets_only() {
        assert_eq!(Secret::new("sk-proj-0123456789a1B2".into()).fingerprint(), "sk-…a1B2");
        assert_eq!(Secret::new("short-secret".into()).fingerprint(), "…");
    }
}
