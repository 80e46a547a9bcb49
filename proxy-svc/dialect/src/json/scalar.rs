//! Values that callers and providers may get wrong: read what can be read, say nothing of the rest.

use std::borrow::Cow;

/// The text of a JSON string; `None` when the value is none, or no valid Unicode.
pub(crate) fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(value).ok().map(Cow::Owned)
}

/// A count: a fraction is cut off, what is too large is the largest, what is negative or no number is none.
pub(crate) fn count(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Ok(exact) = text.parse::<u64>() {
        return Some(exact);
    }
    let number = text.parse::<f64>().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and a first digit rules out negative numbers and NaN"
    )]
    Some(number as u64)
}
