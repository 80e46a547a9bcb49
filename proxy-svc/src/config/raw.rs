//! The configuration as it is written, with its defaults. Every field's name here is a public name.

use serde::{Deserialize, Serialize};

use super::{JournalLevel, ProxyProtocol};

/// The table `[proxy]`. No `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// Address for client traffic.
    pub listen: String,
    /// Address for `/livez`, `/readyz`, `/metrics`.
    pub ops_listen: String,
    pub data_dir: String,
    /// `http://` is refused except for loopback hosts.
    pub admin_endpoint: String,
    /// PEM file of the authorities to trust for `admin_endpoint`; absent = the public ones.
    pub admin_ca_file: Option<String>,
    pub redis_url: Option<String>,
    /// Wins over `join_token_file`.
    pub join_token: Option<String>,
    pub join_token_file: Option<String>,
    /// Networks in CIDR notation, comma-separated.
    pub upstream_allow_cidrs: String,
    pub log: String,
    /// `text` or `json`; absent = text on a terminal, else JSON.
    pub log_format: Option<String>,
    /// 0 = as many as there are cores.
    pub threads: u32,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub journal: Journal,
    pub cache: Cache,
    /// Networks in CIDR notation, comma-separated.
    pub trusted_proxies: String,
    /// `off` or `on`.
    pub proxy_protocol: ProxyProtocol,
    pub protection: Protection,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Protection {
    pub connections_per_address: u64,
    pub requests_per_second_per_address: u64,
    pub bad_keys_per_minute_per_address: u64,
    pub signature_nonces: u64,
    /// `off`, `auto` (90 % of the container's limit) or bytes.
    pub memory_watermark: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub max_body_bytes: u64,
    pub max_header_bytes: u64,
    pub max_connections: u64,
    pub max_in_flight: u64,
    /// Of all callers together, through this proxy; absent = unlimited.
    pub requests_per_minute: Option<u64>,
    pub requests_per_day: Option<u64>,
    pub tokens_per_minute: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "these are the names that people write")]
pub(super) struct Timeouts {
    pub connect_ms: u64,
    pub first_byte_ms: u64,
    pub idle_ms: u64,
    pub total_ms: u64,
    pub client_header_ms: u64,
    pub client_body_idle_ms: u64,
    pub client_write_ms: u64,
    pub keepalive_ms: u64,
    pub drain_accept_ms: u64,
    pub drain_grace_ms: u64,
    pub drain_delivery_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub level: JournalLevel,
    pub max_bytes: u64,
    pub segment_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cache {
    pub max_bytes: u64,
    pub wait_ms: u64,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:8080".to_owned(),
            ops_listen: "127.0.0.1:8081".to_owned(),
            data_dir: "./data/proxy".to_owned(),
            admin_endpoint: "http://127.0.0.1:9091".to_owned(),
            admin_ca_file: None,
            redis_url: None,
            join_token: None,
            join_token_file: None,
            upstream_allow_cidrs: String::new(),
            log: "info".to_owned(),
            log_format: None,
            threads: 0,
            limits: Limits {
                max_body_bytes: 32 << 20,
                max_header_bytes: 64 << 10,
                max_connections: 100_000,
                max_in_flight: 20_000,
                requests_per_minute: None,
                requests_per_day: None,
                tokens_per_minute: None,
            },
            timeouts: Timeouts {
                connect_ms: 5_000,
                first_byte_ms: 60_000,
                idle_ms: 60_000,
                total_ms: 900_000,
                client_header_ms: 10_000,
                client_body_idle_ms: 30_000,
                client_write_ms: 30_000,
                keepalive_ms: 60_000,
                drain_accept_ms: 10_000,
                drain_grace_ms: 300_000,
                drain_delivery_ms: 10_000,
            },
            journal: Journal { level: JournalLevel::Process, max_bytes: 1 << 30, segment_bytes: 16 << 20 },
            trusted_proxies: String::new(),
            proxy_protocol: ProxyProtocol::Off,
            protection: Protection {
                connections_per_address: 0,
                requests_per_second_per_address: 0,
                bad_keys_per_minute_per_address: 30,
                signature_nonces: 1_000_000,
                memory_watermark: "off".to_owned(),
            },
            cache: Cache { max_bytes: 64 << 20, wait_ms: 30_000 },
        }
    }
}
