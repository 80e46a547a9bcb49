//! The ids of objects that providers store: responses, files, batches.
//!
//! Such an object exists for the account that made it alone, so the id that a client gets carries a tag of the
//! upstream key: `file-abc` becomes `file-abc-tgk1_…`. What a tag says is the gateway's cryptography; this module knows
//! where ids stand. It puts tags into answers ([`IdFilter`]) and finds them in requests ([`split`], [`tagged`]). Every
//! other byte stays as it came.
//!
//! Ids are looked for at the members that are known to hold them: a text that speaks of an id, a file's content or a
//! model's output are not the gateway's to change.

mod filter;
mod lines;
mod request;
mod write;

pub use filter::{Framing, IdFilter};
pub use request::{Tagged, tagged};

use crate::Protocol;
use crate::endpoint::Operation;
use crate::json::walk::Select;

/// Between a provider's id and its tag. No provider's id has it, and no place that takes an id needs it escaped.
pub const MARKER: &str = "-tgk1_";

/// Makes tags; the gateway's cryptography is behind it.
pub trait Tagger {
    /// Appends the tag of a provider's id (letters, digits, `-` and `_`); false when there is none to be had.
    fn write_tag(&self, id: &str, out: &mut Vec<u8>) -> bool;

    /// Scheme and authority at which the client reached the gateway: for URLs that lead to the provider itself.
    fn origin(&self) -> Option<&str>;
}

/// Where ids stand in one kind of answer.
#[derive(Clone, Copy)]
pub struct Places {
    pub(crate) select: Select,
    /// Whether an event of this name can hold one. A wrong yes costs time, a wrong no loses the tag.
    pub(crate) may_hold: fn(&[u8]) -> bool,
}

/// What a member of a request's body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// An id, or several.
    Id,
    /// Nothing that means anything to the provider, however deep it goes.
    Foreign,
    Other,
}

/// Where the ids stand in an answer; `None` when it has none. `rest` is the path behind the version, `store` what the
/// request says of it.
pub fn ids(protocol: Protocol, operation: Operation, rest: &str, store: Option<bool>) -> Option<Places> {
    protocol.dialect().stored_ids(operation, rest, store)
}

/// An id and the tag behind it; `None` when it has no tag. The tag is whatever stands there.
pub fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(MARKER)
}

#[cfg(test)]
mod tests;
