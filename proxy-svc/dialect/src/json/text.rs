//! The inside of JSON strings: by far the most bytes of a request are there.

use super::Malformed;
use super::word::{self, bytes_below, bytes_equal};

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

const fn special_bits(word: u64) -> u64 {
    bytes_equal(word, b'"') | bytes_equal(word, b'\\') | bytes_below(word, 0x20)
}

/// The offset of the next byte, from `from` on, that cannot stand in a string as it is: a quote, a backslash or a
/// control character. The text's length when there is none.
pub(crate) fn find_special(text: &[u8], from: usize) -> usize {
    word::find(text, from, special_bits, is_special)
}

/// Skips a string whose opening quote is at `at`; the offset after its closing quote.
pub(crate) fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut at = at + 1;
    loop {
        at = find_special(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = skip_escape(text, at)?,
            Some(_) => return Err(Malformed { at, what: "control character in a string" }),
            None => return Err(Malformed { at, what: "string without an end" }),
        }
    }
}

fn skip_escape(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => Err(Malformed { at, what: "invalid escape in a string" }),
            None => Err(Malformed { at: text.len(), what: "string without an end" }),
        },
        Some(_) => Err(Malformed { at, what: "invalid escape in a string" }),
        None => Err(Malformed { at: text.len(), what: "string without an end" }),
    }
}
