//! When a resource came to be, when it changed last, and how often.

use serde::Serialize;
use tollgate_shared::clock::UnixMicros;

use super::timestamp::Timestamp;

/// Every resource has one. `version` is its ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Stamp {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// 1 at first, one more with each change.
    pub version: i64,
}

impl Stamp {
    pub const fn first(now: UnixMicros) -> Self {
        Self { created_at: Timestamp::from_micros(now), updated_at: Timestamp::from_micros(now), version: 1 }
    }

    #[must_use]
    pub const fn next(self, now: UnixMicros) -> Self {
        Self { created_at: self.created_at, updated_at: Timestamp::from_micros(now), version: self.version + 1 }
    }
}
