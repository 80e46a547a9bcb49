//! Iterators over one object or one array that is whole in memory.

use std::borrow::Cow;
use std::ops::Range;

use super::skip::skip_key;
use super::{Malformed, Member, skip_value, skip_whitespace};

/// The members of an object, checked as they are reached. After the first error there are none.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    state: State,
}

/// The values of an array, as [`Members`].
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Next,
    Done,
}

impl<'a> Members<'a> {
    /// The object that starts at or after `from`, itself inside `depth` containers; `None` when there is none.
    pub(crate) fn at(text: &'a [u8], from: usize, depth: usize) -> Option<Self> {
        let open = skip_whitespace(text, from);
        (text.get(open) == Some(&b'{')).then_some(Self { text, at: open + 1, depth, state: State::First })
    }

    /// The object that the text is.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        Self::at(text, 0, 0)
    }

    /// How far it has read; behind the closing brace once the last member was given.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    fn advance(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        let Some(start) = separator(self.text, &mut self.at, &mut self.state, b'}', "`,` or `}` expected")? else {
            return Ok(None);
        };
        let (key_end, value_from) = skip_key(self.text, start)?;
        let value_start = skip_whitespace(self.text, value_from);
        let value_end = skip_value(self.text, value_start, self.depth + 1)?;
        self.at = value_end;
        Ok(Some(Member { key: decode_key(self.text, start..key_end), value: value_start..value_end }))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Done;
        }
        next
    }
}

impl<'a> Elements<'a> {
    /// The array that starts at or after `from`, itself inside `depth` containers; `None` when there is none.
    pub(crate) fn at(text: &'a [u8], from: usize, depth: usize) -> Option<Self> {
        let open = skip_whitespace(text, from);
        (text.get(open) == Some(&b'[')).then_some(Self { text, at: open + 1, depth, state: State::First })
    }

    fn advance(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let Some(start) = separator(self.text, &mut self.at, &mut self.state, b']', "`,` or `]` expected")? else {
            return Ok(None);
        };
        let end = skip_value(self.text, start, self.depth + 1)?;
        self.at = end;
        Ok(Some(start..end))
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Range<usize>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Done;
        }
        next
    }
}

/// Goes over a comma or the end; the offset where the next item starts.
fn separator(
    text: &[u8],
    at: &mut usize,
    state: &mut State,
    close: u8,
    what: &'static str,
) -> Result<Option<usize>, Malformed> {
    let next = skip_whitespace(text, *at);
    let Some(&byte) = text.get(next) else {
        return Err(Malformed { at: next, what });
    };
    let first = std::mem::replace(state, State::Next) == State::First;
    if byte == close {
        *at = next + 1;
        return Ok(None);
    }
    match (first, byte) {
        (true, _) => Ok(Some(next)),
        (false, b',') => Ok(Some(skip_whitespace(text, next + 1))),
        (false, _) => Err(Malformed { at: next, what }),
    }
}

/// A key without its quotes. One that is no valid Unicode once its escapes are read stays as written: it equals none
/// of the names that anybody looks for.
fn decode_key(text: &[u8], quoted: Range<usize>) -> Cow<'_, [u8]> {
    let raw = text.get(quoted.start + 1..quoted.end - 1).unwrap_or_default();
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    match serde_json::from_slice::<String>(text.get(quoted).unwrap_or_default()) {
        Ok(decoded) => Cow::Owned(decoded.into_bytes()),
        Err(_) => Cow::Borrowed(raw),
    }
}
