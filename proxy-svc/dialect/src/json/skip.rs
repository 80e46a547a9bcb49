//! The grammar: checks a value and finds its end, without recursion and without allocation.

use super::text::skip_string;
use super::{DEPTH_LIMIT, Malformed};

pub(crate) fn skip_whitespace(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The containers that are open, innermost in the lowest bit; a set bit is an object.
struct Nest {
    objects: u128,
    open: usize,
    limit: usize,
}

impl Nest {
    fn push(&mut self, is_object: bool, at: usize) -> Result<(), Malformed> {
        if self.open >= self.limit {
            return Err(Malformed { at, what: "nested too deeply" });
        }
        self.objects = (self.objects << 1) | u128::from(is_object);
        self.open += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.open -= 1;
    }

    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Checks the value that starts at or after `from` (whitespace may stand before it) inside `depth` open containers;
/// the offset after its last byte.
pub(crate) fn skip_value(text: &[u8], from: usize, depth: usize) -> Result<usize, Malformed> {
    let at = skip_whitespace(text, from);
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') | None => skip_container(text, at, depth),
        Some(&first) => skip_scalar(text, at, first),
    }
}

/// As [`skip_value`], of any value; most are none and need no account of what is open.
fn skip_container(text: &[u8], from: usize, depth: usize) -> Result<usize, Malformed> {
    let mut nest = Nest { objects: 0, open: 0, limit: DEPTH_LIMIT.saturating_sub(depth) };
    let mut at = from;
    loop {
        at = skip_whitespace(text, at);
        let Some(&first) = text.get(at) else {
            return Err(Malformed { at, what: "value expected, but the text ends" });
        };
        at = match first {
            b'"' => skip_string(text, at)?,
            b'{' | b'[' => {
                nest.push(first == b'{', at)?;
                at = skip_whitespace(text, at + 1);
                match (first, text.get(at)) {
                    (b'{', Some(b'}')) | (b'[', Some(b']')) => {
                        nest.pop();
                        at + 1
                    }
                    (b'{', _) => {
                        at = skip_key(text, at)?.1;
                        continue;
                    }
                    _ => continue,
                }
            }
            _ => skip_scalar(text, at, first)?,
        };
        match close(text, at, &mut nest)? {
            Next::Value(next) => at = next,
            Next::End(end) => return Ok(end),
        }
    }
}

enum Next {
    /// Another value follows, at or after this offset.
    Value(usize),
    End(usize),
}

/// Goes on behind a value: closes what ends there, up to the next value or the end.
fn close(text: &[u8], after: usize, nest: &mut Nest) -> Result<Next, Malformed> {
    let mut at = after;
    loop {
        if nest.open == 0 {
            return Ok(Next::End(at));
        }
        at = skip_whitespace(text, at);
        match (text.get(at), nest.in_object()) {
            (Some(b','), false) => return Ok(Next::Value(at + 1)),
            (Some(b','), true) => {
                let key = skip_whitespace(text, at + 1);
                return Ok(Next::Value(skip_key(text, key)?.1));
            }
            (Some(b'}'), true) | (Some(b']'), false) => {
                nest.pop();
                at += 1;
            }
            (Some(_), true) => return Err(Malformed { at, what: "`,` or `}` expected" }),
            (Some(_), false) => return Err(Malformed { at, what: "`,` or `]` expected" }),
            (None, true) => return Err(Malformed { at, what: "object without an end" }),
            (None, false) => return Err(Malformed { at, what: "array without an end" }),
        }
    }
}

/// Skips a key at `at` and its colon; the offsets after the key's closing quote and after the colon.
pub(super) fn skip_key(text: &[u8], at: usize) -> Result<(usize, usize), Malformed> {
    match text.get(at) {
        Some(b'"') => {}
        Some(_) => return Err(Malformed { at, what: "member name expected" }),
        None => return Err(Malformed { at, what: "object without an end" }),
    }
    let end = skip_string(text, at)?;
    let colon = skip_whitespace(text, end);
    match text.get(colon) {
        Some(b':') => Ok((end, colon + 1)),
        _ => Err(Malformed { at: colon, what: "`:` expected" }),
    }
}

fn skip_scalar(text: &[u8], at: usize, first: u8) -> Result<usize, Malformed> {
    match first {
        b't' => skip_literal(text, at, b"true"),
        b'f' => skip_literal(text, at, b"false"),
        b'n' => skip_literal(text, at, b"null"),
        b'-' | b'0'..=b'9' => skip_number(text, at),
        _ => Err(Malformed { at, what: "value expected" }),
    }
}

fn skip_literal(text: &[u8], at: usize, literal: &[u8]) -> Result<usize, Malformed> {
    let end = at + literal.len();
    if text.get(at..end) == Some(literal) { Ok(end) } else { Err(Malformed { at, what: "value expected" }) }
}

fn skip_number(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut at = if text.get(at) == Some(&b'-') { at + 1 } else { at };
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => skip_digits(text, at),
        _ => return Err(Malformed { at, what: "invalid number" }),
    };
    if matches!(text.get(at), Some(b'0'..=b'9')) {
        return Err(Malformed { at, what: "invalid number" });
    }
    if text.get(at) == Some(&b'.') {
        at = skip_some_digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = skip_some_digits(text, at + 1 + sign)?;
    }
    Ok(at)
}

fn skip_digits(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while matches!(text.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}

fn skip_some_digits(text: &[u8], from: usize) -> Result<usize, Malformed> {
    let at = skip_digits(text, from);
    if at == from { Err(Malformed { at, what: "invalid number" }) } else { Ok(at) }
}
