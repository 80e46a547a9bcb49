//! Proxies, as far as the control plane knows them.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{BootId, ProxyId},
};

/// A proxy whose last sign of life is older than this is taken as gone, whatever was noted when it was there: the
/// replica that it was connected to may have died.
pub const SILENT_AFTER_US: i64 = 20 * 1_000_000;

/// A resource that a proxy refused, in its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedResource {
    /// As in the change log, e.g. `service`.
    pub kind: String,
    pub id: String,
    /// Path of the field, e.g. `routes[0].targets[1].pool_id`.
    pub field: String,
    pub message: String,
}

/// What a proxy last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub id: ProxyId,
    pub boot_id: BootId,
    pub hostname: String,
    pub version: String,
    /// Empty: it holds nothing.
    pub epoch: String,
    pub revision: u64,
    pub refused: Vec<RefusedResource>,
    pub connected: bool,
    pub first_seen_at: UnixMicros,
    pub last_seen_at: UnixMicros,
}

impl Proxy {
    pub fn is_connected(&self, now: UnixMicros) -> bool {
        self.connected && now.saturating_sub(self.last_seen_at) < SILENT_AFTER_US
    }
}
