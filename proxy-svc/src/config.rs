//! The configuration of the process: what is read at start, checked before anything is bound.
//!
//! [`raw`] is the text form with its defaults, [`Config`] the checked one that the rest of the proxy sees.
//! What the control plane sends is not here but in `snapshot`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::Uri;
use tollgate_shared::{
    address::AddressPolicy,
    configuration::{self, ConfigurationError, Layers},
    secret::Secret,
    telemetry::LogFormat,
};

pub mod command;
mod raw;
mod validate;

use raw::Raw;

use crate::client::TrustedProxies;

/// Everything that may be configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Client traffic.
    pub listen: SocketAddr,
    /// `/livez`, `/readyz`, `/metrics`.
    pub ops_listen: SocketAddr,
    /// The snapshot's copy, the usage journal, the proxy's identity.
    pub data_dir: PathBuf,
    pub admin: AdminEndpoint,
    /// For limits that are shared among proxies.
    pub redis_url: Option<Secret>,
    /// Authenticates this proxy at the control plane; encrypts its stored snapshot.
    pub join_token: Secret,
    /// Upstream addresses that are allowed though they are not public.
    pub upstream_addresses: AddressPolicy,
    /// As in `info,proxy_svc=debug`.
    pub log: String,
    /// Absent: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// Threads that serve requests, at least 1.
    pub threads: usize,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub journal: Journal,
    pub cache: Cache,
    /// Whose word on who called is taken.
    pub trusted_proxies: TrustedProxies,
    /// Whether connections begin with a PROXY header, of a trusted proxy.
    pub proxy_protocol: ProxyProtocol,
    pub protection: Protection,
}

/// Whether the PROXY protocol is spoken on the clients' port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    Off,
    On,
}

/// Limits by client address, and what else holds under an attack. 0 = no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    pub connections_per_address: u64,
    pub requests_per_second_per_address: u32,
    /// More unknown keys are answered with a wait.
    pub bad_keys_per_minute_per_address: u32,
    /// Nonces of signed requests that are remembered.
    pub signature_nonces: usize,
    /// Bytes in use above which requests are turned away.
    pub memory_watermark: Option<u64>,
}

/// Where the control plane's gRPC port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminEndpoint {
    /// `https`, or `http` to a loopback host.
    pub uri: Uri,
    /// Certificate authorities (PEM) to trust in the place of the public ones that are built in.
    pub authorities_pem: Option<Vec<u8>>,
}

/// What one client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_body_bytes: usize,
    pub max_header_bytes: usize,
    /// Client connections open at the same time.
    pub max_connections: usize,
    /// Requests in work at the same time; more are refused with 503.
    pub max_in_flight: usize,
    /// What this proxy lets through, whoever asks.
    pub own: tollgate_shared::limits::Limits,
}

/// How long to wait; what a provider or a service says is narrower and wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Upstream connection and TLS handshake.
    pub connect: Duration,
    /// From the upstream request sent to the first byte of its answer.
    pub first_byte: Duration,
    /// Between two bytes of an upstream's answer.
    pub idle: Duration,
    /// A whole request, all attempts together.
    pub total: Duration,
    /// From a client's first byte to the end of its header.
    pub client_header: Duration,
    /// Between two bytes of a client's body.
    pub client_body_idle: Duration,
    /// For a client to take what was written.
    pub client_write: Duration,
    /// An idle client connection is closed after that.
    pub keepalive: Duration,
    /// How long connections are still accepted once draining began, so that balancers notice.
    pub drain_accept: Duration,
    /// How long requests in work may take to end after that.
    pub drain_grace: Duration,
    /// How long the control plane may then take to acknowledge what the journal holds.
    pub drain_delivery: Duration,
}

/// The usage journal in the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    pub level: JournalLevel,
    /// All segments together.
    pub max_bytes: u64,
    pub segment_bytes: u64,
}

/// Answers that services keep, in the memory of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// All of them together; 0 = none are kept.
    pub max_bytes: u64,
    /// How long a request waits for another's answer to the same question.
    pub wait: Duration,
}

/// What a written record survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalLevel {
    /// The death of the process: it is in the page cache before the request goes on.
    Process,
    /// The death of the host: it is on the disk before the answer's last byte goes out.
    Host,
}

const PREFIX: &str = "TOLLGATE_PROXY";
const COMMON_VARIABLES: &[(&str, &str)] = &[
    ("TOLLGATE_JOIN_TOKEN", "join_token"),
    ("TOLLGATE_JOIN_TOKEN_FILE", "join_token_file"),
    ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "upstream_allow_cidrs"),
    ("TOLLGATE_LOG", "log"),
    ("TOLLGATE_LOG_FORMAT", "log_format"),
];

impl Config {
    /// Reads and checks everything; binds and creates nothing.
    pub fn load(sources: &command::Sources) -> Result<Self, ConfigurationError> {
        Self::try_from(read(sources)?)
    }
}

/// The address of the ops port alone: `drain` and `healthcheck` need nothing else to be right.
pub fn ops_listen(sources: &command::Sources) -> Result<SocketAddr, ConfigurationError> {
    validate::address("ops_listen", &read(sources)?.ops_listen)
}

fn read(sources: &command::Sources) -> Result<Raw, ConfigurationError> {
    let flags = sources.flags();
    let layers = Layers {
        table: "proxy",
        environment_prefix: PREFIX,
        common_variables: COMMON_VARIABLES,
        file: sources.config.as_deref(),
        flags: &flags,
    };
    configuration::load(&Raw::default(), &layers)
}

#[cfg(test)]
mod tests;
