//! An answer as its first caller got it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use tollgate_shared::clock::UnixMicros;

use crate::report::Tokens;

/// Headers of an answer that are true of it whoever gets it. The others are about the request that it was made for.
pub(super) const KEPT_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    HeaderName::from_static("x-tollgate-adapted"),
    HeaderName::from_static("x-tollgate-provider"),
    HeaderName::from_static("x-tollgate-model"),
];

/// Besides texts and bytes: the maps' places for it, and the structure itself.
const OVERHEAD_BYTES: usize = 512;

/// A whole answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(super) stored_at: UnixMicros,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Its length was not announced: it came as a stream.
    pub(super) is_stream: bool,
    pub(super) body: Bytes,
    pub(super) model: Box<str>,
    /// What it used when it was made.
    pub(super) usage: Option<Tokens>,
}

impl Entry {
    /// Whole seconds; a clock that was set back makes nothing older.
    pub(super) fn age_seconds(&self, now: UnixMicros) -> u64 {
        u64::try_from(now.saturating_sub(self.stored_at)).unwrap_or(0) / 1_000_000
    }

    /// Bytes that it takes in memory, roughly.
    pub(super) fn weight(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(_, value)| value.len() + 64).sum();
        let raw = self.usage.as_ref().and_then(|usage| usage.raw.as_deref()).map_or(0, str::len);
        (OVERHEAD_BYTES + headers + self.body.len() + self.model.len() + raw) as u64
    }
}
