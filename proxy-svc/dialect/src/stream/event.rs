//! One event of a stream: where it ends, and what of it is taken out.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::HELD_LIMIT;
use crate::json::{Elements, Members, skip_whitespace};

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
const NULL_USAGE: &[u8] = b",\"usage\":null";

/// The search for a blank line, which goes on where it stopped when more bytes have come.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the line starts that has not ended.
    line_start: usize,
    /// Up to here there is no line end in it.
    seen: usize,
}

impl Search {
    /// Behind the blank line that ends the event at the beginning of `bytes`; `None` when it has not come. After a
    /// `None` the same bytes and more are expected, after an end what is behind it.
    pub(crate) fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let from = self.line_start.max(self.seen);
            let Some(offset) = memchr::memchr2(b'\n', b'\r', bytes.get(from..).unwrap_or_default()) else {
                self.seen = bytes.len();
                return None;
            };
            let end = from + offset;
            let behind = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\r'), Some(b'\n')) => end + 2,
                // It may be the first half of `\r\n`.
                (Some(b'\r'), None) => {
                    self.seen = end;
                    return None;
                }
                _ => end + 1,
            };
            if end == self.line_start {
                *self = Self::default();
                return Some(behind);
            }
            self.line_start = behind;
        }
    }
}

/// What is taken out of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    Nothing,
    All,
    Part(Range<usize>),
}

impl Cut {
    pub(super) fn range(self, length: usize) -> Option<Range<usize>> {
        match self {
            Self::Nothing => None,
            Self::All => Some(0..length),
            Self::Part(range) => Some(range),
        }
    }
}

pub(super) fn cut(event: &[u8]) -> Cut {
    // One that could not have been held is left alone also when it was not cut.
    let Some(at) = USAGE.find(event).filter(|_| event.len() <= HELD_LIMIT) else { return Cut::Nothing };
    let Some(payload) = data(event) else { return Cut::Nothing };
    if let Some(null) = null_usage(event, at, &payload) {
        return Cut::Part(null);
    }
    if is_usage_chunk(event.get(payload).unwrap_or_default()) { Cut::All } else { Cut::Nothing }
}

/// Where the payload of an event's only data line stands.
fn data(event: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\n', b'\r', event).chain(std::iter::once(event.len())) {
        if event.get(start..end).is_some_and(|line| line.starts_with(b"data:")) {
            if found.is_some() {
                return None;
            }
            found = Some(start + b"data:".len()..end);
        }
        start = end + 1;
    }
    found
}

/// Where `,"usage":null` stands as a member of the root: behind it no brace is closed but the root's. Inside a string
/// the quotes would be escaped, so it is a member wherever it is found.
fn null_usage(event: &[u8], name: usize, payload: &Range<usize>) -> Option<Range<usize>> {
    let start = name.checked_sub(1).filter(|start| *start > payload.start)?;
    let found = start..start + NULL_USAGE.len();
    let behind = event.get(found.end..payload.end)?.trim_ascii_end();
    let is_root = memchr::memchr(b'}', behind).is_some_and(|brace| brace + 1 == behind.len())
        && matches!(behind.first(), Some(b'}' | b','));
    (is_root && event.get(found.clone()) == Some(NULL_USAGE)).then_some(found)
}

/// `choices: []` with a usage object.
fn is_usage_chunk(payload: &[u8]) -> bool {
    let (mut no_choices, mut usage) = (false, false);
    for member in Members::of(payload).into_iter().flatten() {
        let Ok(member) = member else { return false };
        let value = payload.get(member.value).unwrap_or_default();
        match &*member.key {
            b"choices" => no_choices = Elements::at(value, 0, 0).is_some_and(|mut choices| choices.next().is_none()),
            b"usage" => usage = value.get(skip_whitespace(value, 0)) == Some(&b'{'),
            _ => {}
        }
    }
    no_choices && usage
}
