//! The payloads of an event stream that may hold an id, in whatever pieces it comes.

/// A longer beginning of a line is no event's name that anybody knows.
const HEAD: usize = 64;
const DATA: &[u8] = b"data:";
const EVENT: &[u8] = b"event:";

/// What the next bytes of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes of a payload, up to its end or to the piece's.
    Payload(usize),
    /// So many bytes of something else.
    Other(usize),
    /// A line has ended, after so many bytes.
    LineEnd(usize),
    /// And it was the blank one behind an event.
    EventEnd(usize),
}

#[derive(Debug)]
pub(super) struct Lines {
    may_hold: fn(&[u8]) -> bool,
    /// The beginning of the line, while it is not known what it is.
    head: [u8; HEAD],
    length: usize,
    line: Line,
    /// The event's name says that it holds none.
    passed_over: bool,
    after_return: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Unknown,
    Payload,
    Other,
}

impl Lines {
    pub(super) const fn new(may_hold: fn(&[u8]) -> bool) -> Self {
        Self { may_hold, head: [0; HEAD], length: 0, line: Line::Unknown, passed_over: false, after_return: false }
    }

    /// The next part of a piece of which `rest` is left; that is not empty.
    pub(super) fn next(&mut self, rest: &[u8]) -> Part {
        if std::mem::take(&mut self.after_return) && rest.first() == Some(&b'\n') {
            return Part::Other(1);
        }
        match rest.first() {
            Some(b'\n' | b'\r') => self.end_line(rest.first() == Some(&b'\r')),
            _ if self.line == Line::Unknown => Part::Other(self.begin_line(rest)),
            _ => {
                let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                if self.line == Line::Payload { Part::Payload(length) } else { Part::Other(length) }
            }
        }
    }

    fn end_line(&mut self, with_return: bool) -> Part {
        self.after_return = with_return;
        let is_blank = self.length == 0;
        if is_blank {
            self.passed_over = false;
        } else if self.line == Line::Unknown
            && let Some(name) = self.head.get(..self.length).and_then(|head| head.strip_prefix(EVENT))
        {
            self.passed_over = !(self.may_hold)(name.trim_ascii());
        }
        self.line = Line::Unknown;
        self.length = 0;
        if is_blank { Part::EventEnd(1) } else { Part::LineEnd(1) }
    }

    /// Reads on until it is known what the line is; the bytes taken.
    fn begin_line(&mut self, rest: &[u8]) -> usize {
        for (index, &byte) in rest.iter().enumerate() {
            let Some(place) = self.head.get_mut(self.length).filter(|_| !matches!(byte, b'\n' | b'\r')) else {
                if self.length == HEAD {
                    self.line = Line::Other;
                }
                return index;
            };
            *place = byte;
            self.length += 1;
            let head = self.head.get(..self.length).unwrap_or_default();
            if head == DATA {
                self.line = if self.passed_over { Line::Other } else { Line::Payload };
            } else if !DATA.starts_with(head) && !EVENT.starts_with(head) && !head.starts_with(EVENT) {
                self.line = Line::Other;
            }
            if self.line != Line::Unknown {
                return index + 1;
            }
        }
        rest.len()
    }
}
