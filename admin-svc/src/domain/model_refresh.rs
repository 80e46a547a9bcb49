//! A provider whose list of models is to be fetched, and how it went the last time.

use tollgate_shared::{clock::UnixMicros, ids::ProviderId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRefresh {
    pub provider_id: ProviderId,
    /// Absent: the provider was never asked.
    pub due_at: Option<UnixMicros>,
    /// In a row, up to now.
    pub failures: u32,
}
