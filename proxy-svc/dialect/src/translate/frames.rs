//! A stream's bytes → whole events, however they are cut.

use std::borrow::Cow;

use crate::json::Value;
use crate::stream::event::Search;

/// An event is held until it is whole, up to this: an image in one event takes some megabytes.
const EVENT_LIMIT: usize = 32 << 20;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The event as it came, with the blank line at its end.
    pub(crate) raw: &'a [u8],
    /// Of its `event:` line; empty when there is none.
    pub(crate) name: &'a [u8],
    /// Its `data:` lines, joined. Of a block without field names, which is how Gemini writes an error into a stream,
    /// all of it.
    pub(crate) data: Cow<'a, [u8]>,
}

impl Frame<'_> {
    /// Whether an event that lacks the blank line at its end lacks nothing else.
    pub(super) fn is_whole(&self) -> bool {
        self.value().is_some() || *self.data == *b"[DONE]"
    }

    /// Its data as JSON; `None` when it is none.
    pub(crate) fn value(&self) -> Option<Value<'_>> {
        Value::parse(&self.data).ok()
    }
}

/// An event longer than anything that a provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of an event whose end has not come.
    held: Vec<u8>,
    search: Search,
}

impl Frames {
    /// Gives the events that are whole with this piece: in place where they stand in it from beginning to end.
    pub(super) fn feed(&mut self, piece: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), TooLong> {
        let mut rest = piece;
        if !self.held.is_empty() {
            let before = self.held.len();
            self.held.extend_from_slice(rest);
            match self.search.event_end(&self.held) {
                Some(end) => {
                    give(self.held.get(..end).unwrap_or_default(), sink);
                    self.held.clear();
                    rest = rest.get(end.saturating_sub(before)..).unwrap_or_default();
                }
                None => return self.check(),
            }
        }
        self.search = Search::default();
        while let Some(end) = self.search.event_end(rest) {
            give(rest.get(..end).unwrap_or_default(), sink);
            rest = rest.get(end..).unwrap_or_default();
        }
        self.held.extend_from_slice(rest);
        self.check()
    }

    fn check(&self) -> Result<(), TooLong> {
        if self.held.len() > EVENT_LIMIT { Err(TooLong) } else { Ok(()) }
    }

    /// The last event, when the stream ends without a blank line.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Frame<'_>)) {
        give(&std::mem::take(&mut self.held), sink);
        self.search = Search::default();
    }
}

fn give(event: &[u8], sink: &mut impl FnMut(Frame<'_>)) {
    let mut frame = Frame { raw: event, name: b"", data: Cow::Borrowed(b"") };
    let mut has_data = false;
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\n', b'\r', event).chain(std::iter::once(event.len())) {
        let line = event.get(start..end).unwrap_or_default();
        start = end + 1;
        if let Some(value) = field(line, b"data") {
            if has_data {
                let data = frame.data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            } else {
                frame.data = Cow::Borrowed(value);
                has_data = true;
            }
        } else if let Some(value) = field(line, b"event") {
            frame.name = value;
        }
    }
    if !has_data && matches!(event.trim_ascii_start().first(), Some(b'{' | b'[')) {
        frame.data = Cow::Borrowed(event.trim_ascii());
        has_data = true;
    }
    if has_data {
        sink(frame);
    }
}

fn field<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut frames = Frames::default();
        let mut sink = |frame: Frame<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(frame.name), text(&frame.data)));
        };
        for piece in pieces {
            frames.feed(piece, &mut sink).unwrap();
        }
        frames.finish(&mut sink);
        found
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        let stream: &[u8] = b": hello\n\nevent: a\r\ndata: {\"x\":1}\r\n\r\ndata:1\ndata: 2\n\n\n{\"error\":\n {}}\n\nid: 3\n\ndata: end";
        let expected = [("a", "{\"x\":1}"), ("", "1\n2"), ("", "{\"error\":\n {}}"), ("", "end")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(frames(&[stream]), expected);
        for cut in 0..stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(frames(&[first, second]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes), expected);
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut frames = Frames::default();
        let piece = vec![b'x'; 1 << 20];
        let fed = (0..40).try_for_each(|_| frames.feed(&piece, &mut |_| ()));
        assert_eq!(fed, Err(TooLong));
    }
}
