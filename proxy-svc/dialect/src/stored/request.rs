//! Tagged ids in a request's body.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{MARKER, Place, split};
use crate::Protocol;
use crate::json::{DEPTH_LIMIT, skip_string};

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARKER));

/// A tagged id in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// The member that it is the value of, or is listed under.
    pub field: &'a str,
    pub id: &'a str,
    /// Whatever stands behind the marker.
    pub tag: &'a str,
    /// Where marker and tag stand in the body.
    pub at: Range<usize>,
}

/// An open object or array.
#[derive(Clone, Copy)]
struct Frame<'a> {
    is_object: bool,
    /// Of an object's member that is being read, of an array the array's own.
    name: &'a str,
    place: Place,
    /// The next string of an object is a name.
    before_name: bool,
    is_foreign: bool,
}

/// The tagged ids in a JSON body. One that has none, as nearly all, costs the search for the marker; only of another
/// the structure is read. What is no JSON has none.
pub fn tagged(protocol: Protocol, body: &[u8]) -> Vec<Tagged<'_>> {
    let mut found = Vec::new();
    if FINDER.find(body).is_some() {
        read(protocol, body, &mut found);
    }
    found
}

/// `None` where it cannot be read on.
fn read<'a>(protocol: Protocol, body: &'a [u8], found: &mut Vec<Tagged<'a>>) -> Option<()> {
    let mut frames: Vec<Frame<'a>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at = skip_string(body, start).ok()?;
                let text = std::str::from_utf8(body.get(start + 1..at - 1)?).ok()?;
                match frames.last_mut() {
                    Some(frame) if frame.before_name => frame.begin_member(protocol, text),
                    Some(frame) if frame.place == Place::Id => {
                        found.extend(split(text).map(|(id, tag)| Tagged {
                            field: frame.name,
                            id,
                            tag,
                            at: start + 1 + id.len()..at - 1,
                        }));
                    }
                    _ => {}
                }
            }
            b'{' | b'[' if frames.len() < DEPTH_LIMIT => frames.push(Frame::inside(frames.last(), byte == b'{')),
            b'{' | b'[' => return None,
            b'}' | b']' => {
                frames.pop()?;
            }
            b',' => {
                let frame = frames.last_mut()?;
                frame.before_name = frame.is_object;
            }
            _ => {}
        }
    }
    Some(())
}

impl<'a> Frame<'a> {
    fn inside(outer: Option<&Self>, is_object: bool) -> Self {
        let (name, place) = outer.map_or(("", Place::Other), |outer| (outer.name, outer.place));
        let is_foreign = place == Place::Foreign;
        // A list of ids is one; an object in the place of an id says itself what its members are.
        let place = if is_object && !is_foreign { Place::Other } else { place };
        Self { is_object, name, place, before_name: is_object, is_foreign }
    }

    fn begin_member(&mut self, protocol: Protocol, name: &'a str) {
        self.before_name = false;
        self.name = name;
        self.place = if self.is_foreign { Place::Foreign } else { protocol.dialect().place(name.as_bytes()) };
    }
}
