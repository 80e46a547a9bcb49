//! Goes over a JSON document that arrives in pieces and keeps the few values that somebody asked for.
//!
//! Nothing but those values is held, so that an answer of many megabytes costs a few hundred bytes. It finds its way,
//! it does not judge: the document was made by a provider and is passed on as it is, whatever is wrong with it.
//! A document that cannot be followed is left alone until [`Walker::reset`].

use super::find_special;
use super::word::{self, bytes_equal};

/// A container on the way to a value; what the numbers mean is the dialect's own, but for these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) u8);

impl Node {
    /// The object that an event or an answer is.
    pub(crate) const ROOT: Self = Self(0);
    /// An array around such objects: Gemini streams one when it is not asked for server-sent events.
    pub(crate) const LIST: Self = Self(1);
}

/// A value worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Usage,
    Model,
    Error,
    Type,
    Code,
    Message,
    Finish,
    Block,
    Id,
    Url,
}

impl Slot {
    const COUNT: usize = 10;

    /// Beyond this many bytes a value is not what it should be, and is dropped.
    const fn limit(self) -> usize {
        match self {
            Self::Usage => 64 << 10,
            Self::Error | Self::Message => 16 << 10,
            Self::Url => 2 << 10,
            Self::Model | Self::Type | Self::Code | Self::Finish | Self::Block | Self::Id => 512,
        }
    }
}

/// What is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Skip,
    /// Looks at what is in it, when it is a container.
    Enter(Node),
    Keep(Slot),
    /// The same, and the walk stops behind it.
    Give(Slot),
    /// Anything but null and emptiness here is output of the model.
    Evidence,
}

/// Says what to do with a member (by its name) or an element (no name) of a container.
pub(crate) type Select = fn(Node, Option<&[u8]>) -> Step;

/// Containers on the way to any value; deeper ones are skipped.
const PATH: usize = 8;
/// No name that a dialect looks for is longer.
const KEY: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Frame {
    node: Node,
    is_object: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet, or a document has ended.
    Start,
    /// A member's name, a comma or the end of an object is next.
    Member,
    /// A value, a comma or the end of an array is next.
    Element,
    Key {
        escaped: bool,
    },
    Colon,
    Value(Step),
    Inside(Inside),
    /// Not JSON; waits for a reset.
    Lost,
}

/// Inside a value that is not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Scalar,
    Text { escaped: bool },
    Container { depth: u32, text: bool, escaped: bool },
}

/// What one event or answer held.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    values: [Vec<u8>; Slot::COUNT],
    /// Something that the model made was in it.
    pub(crate) evidence: bool,
}

impl Kept {
    /// The JSON text of a value; `None` when it was not there, or was null, or was too large.
    pub(crate) fn get(&self, slot: Slot) -> Option<&[u8]> {
        let value = self.values.get(slot as usize)?;
        (!value.is_empty() && value != b"null").then_some(value.as_slice())
    }

    /// Exchanges a value's memory for another's, which saves a copy.
    pub(crate) fn swap(&mut self, slot: Slot, other: &mut Vec<u8>) {
        if let Some(value) = self.values.get_mut(slot as usize) {
            std::mem::swap(value, other);
        }
    }

    /// Keeps the memory for the next event.
    pub(crate) fn clear(&mut self) {
        self.values.iter_mut().for_each(Vec::clear);
        self.evidence = false;
    }
}

#[derive(Debug)]
pub(crate) struct Walker {
    select: Select,
    path: [Frame; PATH],
    entered: usize,
    state: State,
    key: [u8; KEY],
    key_len: usize,
    step: Step,
    /// Bytes of the value so far, to tell emptiness; not of whitespace between tokens.
    weight: usize,
    first: u8,
    overflow: bool,
    pub(crate) kept: Kept,
}

/// What [`Walker::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All bytes were taken.
    Pending,
    /// An event's object ended after this many bytes: look at [`Walker::kept`], clear it, and go on with the rest.
    Event(usize),
    /// A value to be given ended after this many bytes: look at [`Walker::given`], and go on with the rest.
    Value(usize),
}

impl Walker {
    pub(crate) fn new(select: Select) -> Self {
        Self {
            select,
            path: [Frame { node: Node::ROOT, is_object: true }; PATH],
            entered: 0,
            state: State::Start,
            key: [0; KEY],
            key_len: 0,
            step: Step::Skip,
            weight: 0,
            first: 0,
            overflow: false,
            kept: Kept::default(),
        }
    }

    /// Ready for another document.
    pub(crate) fn reset(&mut self) {
        self.entered = 0;
        self.state = State::Start;
        self.kept.clear();
    }

    /// Whether it is inside a document.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Start
    }

    /// Whether it is inside a document that it can follow.
    pub(crate) fn is_inside(&self) -> bool {
        self.is_open() && self.state != State::Lost
    }

    /// Forgets the value that is not whole: half a number is another number.
    pub(crate) fn drop_unfinished(&mut self) {
        if let (State::Inside(_), Step::Keep(slot)) = (self.state, self.step)
            && let Some(buffer) = self.kept.values.get_mut(slot as usize)
        {
            buffer.clear();
        }
    }

    /// The JSON text of the value at which the walk stopped; `None` when it was too large.
    pub(crate) fn given(&self) -> Option<(Slot, &[u8])> {
        let Step::Give(slot) = self.step else { return None };
        let value = self.kept.values.get(slot as usize)?;
        (!self.overflow).then_some((slot, value.as_slice()))
    }

    /// What has come of a value that is to be given and has not ended; `None` also when it is too large already.
    pub(crate) fn unfinished(&self) -> Option<&[u8]> {
        matches!(self.state, State::Inside(_)).then(|| self.given()).flatten().map(|(_, value)| value)
    }

    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            at += match self.state {
                State::Key { escaped } => self.key(rest, escaped),
                State::Inside(inside) => {
                    let taken = self.inside(rest, inside);
                    if matches!(self.step, Step::Give(_)) && !matches!(self.state, State::Inside(_)) {
                        return Progress::Value(at + taken);
                    }
                    taken
                }
                State::Lost => rest.len(),
                _ if byte.is_ascii_whitespace() => 1,
                State::Start => self.begin_document(byte),
                State::Colon => {
                    self.state = if byte == b':' { State::Value(self.selected()) } else { State::Lost };
                    1
                }
                State::Value(step) => self.begin_value(step, byte),
                State::Member | State::Element => {
                    if matches!(byte, b'}' | b']') {
                        if self.leave() {
                            return Progress::Event(at + 1);
                        }
                        1
                    } else {
                        self.begin_item(byte)
                    }
                }
            };
        }
        Progress::Pending
    }

    fn begin_document(&mut self, byte: u8) -> usize {
        match byte {
            b'{' => self.enter(Node::ROOT, true),
            b'[' => self.enter(Node::LIST, false),
            _ => self.state = State::Lost,
        }
        1
    }

    fn begin_item(&mut self, byte: u8) -> usize {
        match (self.state, byte) {
            (_, b',') => 1,
            (State::Member, b'"') => {
                self.key_len = 0;
                self.state = State::Key { escaped: false };
                1
            }
            (State::Element, _) => {
                let step = (self.select)(self.node(), None);
                self.begin_value(step, byte)
            }
            _ => {
                self.state = State::Lost;
                1
            }
        }
    }

    fn enter(&mut self, node: Node, is_object: bool) {
        if let Some(frame) = self.path.get_mut(self.entered) {
            *frame = Frame { node, is_object };
            self.entered += 1;
        }
        self.state = if is_object { State::Member } else { State::Element };
    }

    /// Leaves the innermost container; whether that was an event's object.
    fn leave(&mut self) -> bool {
        let left = self.node();
        self.entered = self.entered.saturating_sub(1);
        self.after_value();
        left == Node::ROOT
    }

    fn node(&self) -> Node {
        self.entered.checked_sub(1).and_then(|last| self.path.get(last)).map_or(Node::LIST, |frame| frame.node)
    }

    fn after_value(&mut self) {
        self.state = match self.entered.checked_sub(1).and_then(|last| self.path.get(last)) {
            None => State::Start,
            Some(Frame { is_object: true, .. }) => State::Member,
            Some(_) => State::Element,
        };
    }

    /// What the dialect wants of the member whose name was just read.
    fn selected(&self) -> Step {
        self.key.get(..self.key_len).map_or(Step::Skip, |key| (self.select)(self.node(), Some(key)))
    }

    /// Reads on in a member's name. Names with escapes are nobody's: no provider writes one.
    fn key(&mut self, rest: &[u8], escaped: bool) -> usize {
        if escaped {
            self.state = State::Key { escaped: false };
            return 1;
        }
        let end = find_special(rest, 0);
        let part = rest.get(..end).unwrap_or_default();
        match self.key.get_mut(self.key_len..self.key_len + part.len()) {
            Some(room) => {
                room.copy_from_slice(part);
                self.key_len += part.len();
            }
            None => self.key_len = KEY + 1,
        }
        match rest.get(end) {
            Some(b'"') => self.state = State::Colon,
            Some(other) => {
                self.key_len = KEY + 1;
                self.state = State::Key { escaped: *other == b'\\' };
            }
            None => return end,
        }
        end + 1
    }

    /// Starts a value at its first byte.
    fn begin_value(&mut self, step: Step, byte: u8) -> usize {
        if let (Step::Enter(node), b'{' | b'[', true) = (step, byte, self.entered < PATH) {
            self.enter(node, byte == b'{');
            return 1;
        }
        self.step = step;
        self.weight = 0;
        self.first = byte;
        self.overflow = false;
        if let Step::Keep(slot) | Step::Give(slot) = step
            && let Some(buffer) = self.kept.values.get_mut(slot as usize)
        {
            buffer.clear();
        }
        self.state = State::Inside(match byte {
            b'{' | b'[' => Inside::Container { depth: 0, text: false, escaped: false },
            // The opening quote is passed over as an escaped byte is.
            b'"' => Inside::Text { escaped: true },
            _ => Inside::Scalar,
        });
        0
    }

    /// Reads on in a value that is not entered; the bytes taken.
    fn inside(&mut self, rest: &[u8], inside: Inside) -> usize {
        let (taken, next) = match inside {
            Inside::Scalar => scalar(rest),
            Inside::Text { escaped } => text(rest, escaped),
            Inside::Container { depth, text, escaped } => container(rest, depth, text, escaped),
        };
        self.take(rest.get(..taken).unwrap_or_default());
        match next {
            Some(inside) => self.state = State::Inside(inside),
            None => self.after_value(),
        }
        taken
    }

    fn take(&mut self, part: &[u8]) {
        match self.step {
            Step::Keep(slot) | Step::Give(slot) => self.keep(slot, part),
            Step::Evidence if !self.kept.evidence => {
                self.weight += if self.first == b'"' {
                    part.len()
                } else {
                    part.iter().filter(|byte| !byte.is_ascii_whitespace()).count()
                };
                self.kept.evidence = self.first != b'n' && self.weight > 2;
            }
            _ => {}
        }
    }

    fn keep(&mut self, slot: Slot, part: &[u8]) {
        let Some(buffer) = self.kept.values.get_mut(slot as usize) else { return };
        if self.overflow || buffer.len() + part.len() > slot.limit() {
            self.overflow = true;
            buffer.clear();
        } else {
            buffer.extend_from_slice(part);
        }
    }
}

fn scalar(rest: &[u8]) -> (usize, Option<Inside>) {
    let end = rest.iter().position(|&byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
    end.map_or((rest.len(), Some(Inside::Scalar)), |end| (end, None))
}

fn text(rest: &[u8], escaped: bool) -> (usize, Option<Inside>) {
    match skip_text(rest, usize::from(escaped)) {
        Text::Ended(end) => (end, None),
        Text::Open { escaped } => (rest.len(), Some(Inside::Text { escaped })),
    }
}

enum Text {
    Ended(usize),
    Open { escaped: bool },
}

/// Reads on in a string from `from`, that is behind an escaped byte when the last piece ended in a backslash.
fn skip_text(rest: &[u8], from: usize) -> Text {
    let mut at = from;
    while at < rest.len() {
        at = find_special(rest, at);
        match rest.get(at) {
            Some(b'"') => return Text::Ended(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => {}
        }
    }
    // A backslash as the very last byte escapes the first of the next piece.
    Text::Open { escaped: at > rest.len() }
}

fn container(rest: &[u8], depth: u32, text: bool, escaped: bool) -> (usize, Option<Inside>) {
    let mut depth = depth;
    let mut at = 0;
    if text {
        match skip_text(rest, usize::from(escaped)) {
            Text::Ended(end) => at = end,
            Text::Open { escaped } => return (rest.len(), Some(Inside::Container { depth, text, escaped })),
        }
    }
    loop {
        at = find_structure(rest, at);
        match rest.get(at) {
            Some(b'"') => match skip_text(rest, at + 1) {
                Text::Ended(end) => at = end,
                Text::Open { escaped } => {
                    return (rest.len(), Some(Inside::Container { depth, text: true, escaped }));
                }
            },
            Some(b'{' | b'[') => {
                depth = depth.saturating_add(1);
                at += 1;
            }
            Some(_) if depth == 1 => return (at + 1, None),
            Some(_) => {
                depth -= 1;
                at += 1;
            }
            None => return (rest.len(), Some(Inside::Container { depth, text: false, escaped: false })),
        }
    }
}

/// The offset of the next quote, bracket or brace. Brackets differ from braces in one bit, `0x20`.
fn find_structure(rest: &[u8], from: usize) -> usize {
    const fn bits(word: u64) -> u64 {
        let folded = word | 0x2020_2020_2020_2020;
        bytes_equal(word, b'"') | bytes_equal(folded, b'{') | bytes_equal(folded, b'}')
    }
    word::find(rest, from, bits, |byte| byte == b'"' || matches!(byte | 0x20, b'{' | b'}'))
}
