//! The inside of JSON strings: by far the most bytes of a request are there.

use super::Malformed;

/// Bytes looked at together; the compiler turns a block into a handful of vector instructions.
const BLOCK: usize = 32;

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The offset of the next byte, from `from` on, that cannot stand in a string as it is: a quote, a backslash or a
/// control character. The text's length when there is none.
pub(crate) fn find_special(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        if block.iter().fold(false, |hit, &byte| hit | is_special(byte)) {
            break;
        }
        at += BLOCK;
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().position(|&byte| is_special(byte)).map_or(text.len(), |offset| at + offset)
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
