//! The stream to the control plane.

use std::time::Duration;

use tollgate_shared::{
    ids::{BootId, ProxyId},
    secret::Secret,
};
use tonic::transport::Endpoint;

/// Where events go.
#[derive(Clone, Debug)]
pub struct DeliveryOptions {
    /// With its TLS and time-outs.
    pub endpoint: Endpoint,
    pub join_token: Secret,
    pub proxy_id: ProxyId,
    pub boot_id: BootId,
    /// How long events are gathered before they are sent together.
    pub gather: Duration,
}

impl DeliveryOptions {
    pub const GATHER: Duration = Duration::from_millis(100);
}
