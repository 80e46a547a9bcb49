//! `content-digest` (RFC 9530): what the body must be. Pure.

use http::HeaderMap;
use ring::digest::{Algorithm, SHA256, SHA512, digest};
use sfv::{BareItem, ListEntry, Parser};

use super::{SignatureError, combined};

const FIELD: &str = "content-digest";

/// The digests that are understood; others are passed over, as the RFC says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentDigests {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl ContentDigests {
    /// Empty when the request has none.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let Some(value) = combined(headers, FIELD) else { return Ok(Self::default()) };
        let malformed = || SignatureError::unsupported("`content-digest` is not a dictionary of byte sequences");
        let dictionary = Parser::parse_dictionary(value.as_bytes()).map_err(|_| malformed())?;
        let of = |name: &str| match dictionary.get(name) {
            None => Ok(None),
            Some(ListEntry::Item(item)) => match &item.bare_item {
                BareItem::ByteSeq(bytes) => Ok(Some(bytes.clone())),
                _ => Err(malformed()),
            },
            Some(ListEntry::InnerList(_)) => Err(malformed()),
        };
        Ok(Self { sha256: of("sha-256")?, sha512: of("sha-512")? })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }

    /// Whether every digest is the body's. They are no secrets, so that the comparison need not take constant time.
    pub(super) fn match_body(&self, body: &[u8]) -> bool {
        let matches = |algorithm: &'static Algorithm, expected: &Option<Vec<u8>>| {
            expected.as_ref().is_none_or(|expected| digest(algorithm, body).as_ref() == expected.as_slice())
        };
        matches(&SHA256, &self.sha256) && matches(&SHA512, &self.sha512)
    }
}
