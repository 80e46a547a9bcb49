//! A proxy as the API shows it.

use serde::Serialize;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{BootId, ProxyId},
};

use crate::{
    domain::{
        proxy::{Proxy, RefusedResource},
        timestamp::Timestamp,
    },
    publish::Head,
};

/// A proxy and how far it is.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Proxy)]
pub(super) struct ProxyBody {
    id: ProxyId,
    /// New at every start of the proxy.
    boot_id: BootId,
    hostname: String,
    version: String,
    connected: bool,
    /// What it holds.
    revision: u64,
    /// What it is to hold.
    head_revision: u64,
    /// Whether it is connected, holds the head, and refused nothing of it.
    converged: bool,
    /// What it refused; it keeps the last good version of each.
    errors: Vec<RefusedResource>,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl ProxyBody {
    pub(super) fn new(proxy: Proxy, head: &Head, now: UnixMicros) -> Self {
        let connected = proxy.is_connected(now);
        let Proxy {
            id,
            boot_id,
            hostname,
            version,
            epoch,
            revision,
            refused,
            connected: _,
            first_seen_at,
            last_seen_at,
        } = proxy;
        let holds_head = *epoch == *head.epoch && revision == head.revision;
        Self {
            id,
            boot_id,
            hostname,
            version,
            connected,
            revision,
            head_revision: head.revision,
            converged: connected && holds_head && refused.is_empty(),
            errors: refused,
            first_seen: Timestamp::from_micros(first_seen_at),
            last_seen: Timestamp::from_micros(last_seen_at),
        }
    }
}
