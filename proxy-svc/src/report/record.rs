//! What a record holds, as bytes: an open request (its intent, and what is known of it since), or an event.
//!
//! Compact rather than self-describing: ids are 16 raw bytes, numbers are LEB128, what is absent is a bit in the
//! flags. The layout belongs to the version in a segment's name; changing it means a new version there.
//!
//! Texts that callers or providers choose are cut to a bound, so that a record has one too.

use tollgate_shared::ids::RequestId;

mod bytes;
mod codes;
mod finals;
mod open;
mod parts;
#[cfg(test)]
mod tests;

pub(super) use finals::{Final, decode_final, encode_final};
pub(super) use open::{Open, decode_open, encode_intent};
pub(super) use parts::{FinalAttempt, FinalTokens};

use bytes::Reader;

/// Why a record whose checksum is right cannot be read: it was written by a program that knows more, or wrongly.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of this version")]
pub(super) struct Malformed;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request that began. A later one of the same request replaces it.
    Open = 1,
    /// A request that is over.
    Final = 2,
}

/// How much of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Everything,
    /// Without the provider's raw usage and the attempts' reasons, with shorter texts and, if need be, fewer attempts.
    Accounting,
}

/// A [`Detail::Accounting`] event is never longer.
pub(super) const ACCOUNTING_BYTES: usize = 1000;

/// Attempts that are kept of a request: the last ones.
const MAX_ATTEMPTS: usize = 32;

/// The longest texts, in bytes.
struct Bounds {
    model: usize,
    path: usize,
    reason: usize,
    code: usize,
}

impl Detail {
    const fn bounds(self) -> Bounds {
        match self {
            Self::Everything => Bounds { model: 512, path: 1024, reason: 512, code: 128 },
            Self::Accounting => Bounds { model: 128, path: 128, reason: 0, code: 64 },
        }
    }
}

/// The id alone, of a record of either kind.
pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Malformed> {
    Reader::new(bytes).id().map(RequestId::from_uuid)
}
