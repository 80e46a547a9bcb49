//! Reading JSON in place: no tree, no copies.
//!
//! Four readers share the grammar in here: [`skip_value`] checks a value and finds its end, [`Members`] goes over
//! one object that is whole in memory, [`Value`] is a checked value that can be looked into, and [`walk`] goes over a
//! document that arrives in pieces. What they accept is what `serde_json` accepts; the tests hold them to it.
//! [`mod@write`] is the other way; a [`Text`] goes from one document into another as it is written.

use std::borrow::Cow;
use std::ops::Range;

pub(crate) mod walk;
pub(crate) mod write;

mod members;
mod scalar;
mod skip;
mod string;
mod text;
mod value;
mod word;

pub(crate) use members::{Elements, Members};
pub(crate) use scalar::{count, string};
pub(crate) use skip::{skip_value, skip_whitespace};
pub use string::Text;
pub(crate) use text::{find_special, skip_string};
pub(crate) use value::Kind;
pub use value::Value;

/// Containers inside containers, the outermost included; `serde_json` stops at the same depth.
pub(crate) const DEPTH_LIMIT: usize = 127;

/// A text that is not the JSON that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// The offset of the byte that cannot be there; the text's length when it ends too early.
    pub at: usize,
    /// What is wrong, in words for the caller.
    pub what: &'static str,
}

/// One member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, [u8]>,
    /// Where the value stands in the text that was read.
    pub(crate) value: Range<usize>,
}

#[cfg(test)]
mod tests;
