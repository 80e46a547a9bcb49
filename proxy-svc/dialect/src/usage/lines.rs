//! Lines of a server-sent event stream, whatever pieces it comes in.
//!
//! A line ends in `\n`, `\r\n` or `\r`. One that is whole inside a piece is given as it stands there; one that was
//! cut is put together, up to [`PENDING_LIMIT`]. A longer one (an image, a whole response in its last event) is given
//! in parts as they come: nothing is held and nothing is lost, however long it gets.

/// Beyond this a cut line is given in parts.
pub(super) const PENDING_LIMIT: usize = 16 << 10;

/// What the splitter found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole line without its end.
    Line(&'a [u8]),
    /// The next bytes of a line that is too long to be held.
    Part(&'a [u8]),
    /// That line has ended.
    PartEnd,
}

#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    in_parts: bool,
    after_return: bool,
}

impl Lines {
    /// Whether the last byte ended a line (or there was none).
    pub(super) fn is_at_line_start(&self) -> bool {
        self.pending.is_empty() && !self.in_parts
    }

    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        let mut rest = bytes;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let (line, ending) = rest.split_at(end);
            self.end_line(line, sink);
            rest = match ending {
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [b'\r', b'\n', next @ ..] | [_, next @ ..] => next,
                [] => &[],
            };
        }
        self.keep(rest, sink);
    }

    /// The last line, when the stream ends without ending it.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        if !self.is_at_line_start() {
            self.end_line(b"", sink);
        }
    }

    fn end_line(&mut self, line: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        if self.in_parts {
            sink(Piece::Part(line));
            sink(Piece::PartEnd);
            self.in_parts = false;
        } else if self.pending.is_empty() {
            sink(Piece::Line(line));
        } else {
            self.pending.extend_from_slice(line);
            sink(Piece::Line(&self.pending));
            self.pending.clear();
        }
    }

    fn keep(&mut self, part: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        if part.is_empty() {
            return;
        }
        if self.in_parts {
            sink(Piece::Part(part));
        } else if self.pending.len() + part.len() <= PENDING_LIMIT {
            self.pending.extend_from_slice(part);
        } else {
            self.in_parts = true;
            sink(Piece::Part(&self.pending));
            self.pending.clear();
            sink(Piece::Part(part));
        }
    }
}
