//! Prepared bytes with holes for what must differ between two equal answers: id, date, time.
//!
//! The holes have fixed widths, so stamping is a copy and a few overwrites. The text that marks a
//! hole is what the planners write into JSON; it never leaves this process.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use memchr::memmem;
use time::OffsetDateTime;
use time::macros::format_description;

/// 24 characters: 16 count up, 8 tell whose credential made it (see [`owner_tag`]).
pub(crate) const ID: &str = "iD5imPlaceho1der4Stamp00";
/// An HTTP date (RFC 9110) is 29 characters.
pub(crate) const DATE: &str = "d4te0fThe4nswerStampedLater00";
/// Unix seconds as a JSON number.
pub(crate) const CREATED: u64 = 8_086_420_975;
const CREATED_TEXT: &str = "8086420975";

const _: () = assert!(ID.len() == 24 && DATE.len() == 29 && CREATED_TEXT.len() == 10);

#[derive(Clone, Copy, Debug)]
enum Hole {
    Id,
    Date,
    Created,
}

/// Bytes and where their holes are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    bytes: Bytes,
    holes: Box<[(u32, Hole)]>,
}

impl Template {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut holes = Vec::new();
        for (mark, hole) in [(ID, Hole::Id), (DATE, Hole::Date), (CREATED_TEXT, Hole::Created)] {
            holes.extend(memmem::find_iter(&bytes, mark).filter_map(|at| Some((u32::try_from(at).ok()?, hole))));
        }
        Self { bytes, holes: holes.into_boxed_slice() }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// As planned, with its holes.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn render(&self, out: &mut Vec<u8>, stamp: &Stamp) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for (at, hole) in &self.holes {
            let text: &[u8] = match hole {
                Hole::Id => &stamp.id,
                Hole::Date => &stamp.date,
                Hole::Created => &stamp.created,
            };
            let at = start + *at as usize;
            out[at..at + text.len()].copy_from_slice(text);
        }
    }

    pub(crate) fn rendered(&self, stamp: &Stamp) -> Bytes {
        if self.holes.is_empty() {
            return self.bytes.clone();
        }
        let mut out = Vec::with_capacity(self.len());
        self.render(&mut out, stamp);
        out.into()
    }
}

/// What fills the holes of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    id: [u8; 24],
    date: [u8; 29],
    created: [u8; 10],
}

impl Stamp {
    pub(crate) fn new(number: u64, owner: u32) -> Self {
        thread_local! {
            static CLOCK: RefCell<(u64, [u8; 29], [u8; 10])> = const { RefCell::new((0, [b' '; 29], [b'0'; 10])) };
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let (date, created) = CLOCK.with_borrow_mut(|(at, date, created)| {
            if *at != seconds {
                *at = seconds;
                if let Ok(text) = <[u8; 29]>::try_from(http_date(seconds).as_bytes()) {
                    *date = text;
                }
                if let Ok(text) = <[u8; 10]>::try_from(format!("{seconds:010}").as_bytes()) {
                    *created = text;
                }
            }
            (*date, *created)
        });
        Self { id: id_text(number, owner), date, created }
    }

    /// Fills the holes of a short text, such as a header's value.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut out = Vec::with_capacity(text.len());
        Template::new(text.to_owned().into_bytes()).render(&mut out, self);
        String::from_utf8(out).unwrap_or_default()
    }
}

fn id_text(number: u64, owner: u32) -> [u8; 24] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // An odd multiplier permutes: ids look random and never repeat.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 24];
    for (index, byte) in id.iter_mut().enumerate() {
        let nibble =
            if index < 16 { scattered >> (60 - 4 * index) } else { u64::from(owner) >> (28 - 4 * (index - 16)) };
        *byte = DIGITS[(nibble & 15) as usize];
    }
    id
}

/// A fresh id for an object that is kept (a file, a batch).
pub(crate) fn fresh_id(number: u64, owner: u32) -> String {
    String::from_utf8_lossy(&id_text(number, owner)).into_owned()
}

/// Short name of a credential inside ids, so that an id is unknown to any other credential.
pub(crate) fn owner_tag(credential: &str) -> u32 {
    // FNV-1a: stable between runs, which the standard library's hasher does not promise.
    credential.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Whose id this is, if it is one of ours.
pub(crate) fn owner_of(id: &str) -> Option<u32> {
    let (_, text) = id.rsplit_once(['_', '-'])?;
    (text.len() == 24 && text.is_ascii()).then(|| u32::from_str_radix(&text[16..], 16).ok()).flatten()
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap_or(0)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn http_date(seconds: u64) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    at(seconds).format(FORMAT).unwrap_or_default()
}

/// RFC 3339, as Anthropic writes times.
pub(crate) fn rfc3339(seconds: u64) -> String {
    at(seconds).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_widths_kept() {
        let template = Template::new(format!("{{\"id\":\"x-{ID}\",\"created\":{CREATED}}} {DATE} {ID}").into_bytes());
        let out = template.rendered(&Stamp::new(7, owner_tag("key")));
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert_eq!(text.len(), template.len());
        for mark in [ID, DATE, CREATED_TEXT] {
            assert!(!text.contains(mark), "{text}");
        }
        assert!(text.contains(" GMT "));
    }

    #[test]
    fn an_id_tells_its_owner() {
        let id = format!("resp_{}", fresh_id(3, owner_tag("sk-a")));
        assert_eq!(owner_of(&id), Some(owner_tag("sk-a")));
        assert_ne!(owner_of(&id), Some(owner_tag("sk-b")));
        assert_eq!(owner_of("resp_short"), None);
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
