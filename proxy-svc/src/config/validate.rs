//! From the written configuration to the checked one. Reads the files that it names; changes nothing.

use std::{net::SocketAddr, num::NonZero, path::Path, time::Duration};

use http::Uri;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tollgate_shared::{
    address::AddressPolicy,
    configuration::ConfigurationError,
    secret::Secret,
    telemetry::{self, LogFormat},
};

use super::{AdminEndpoint, Cache, Config, Journal, Limits, Protection, ProxyProtocol, Timeouts, raw};
use crate::{
    client::TrustedProxies,
    guard::{connections::MOST_CONNECTIONS, memory},
};

/// A day: longer is a mistake in the unit.
const LONGEST_MS: u64 = 86_400_000;

impl TryFrom<raw::Raw> for Config {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Raw) -> Result<Self, ConfigurationError> {
        let raw::Raw {
            listen,
            ops_listen,
            data_dir,
            admin_endpoint,
            admin_ca_file,
            redis_url,
            join_token,
            join_token_file,
            upstream_allow_cidrs,
            log,
            log_format,
            threads,
            limits,
            timeouts,
            journal,
            trusted_proxies,
            proxy_protocol,
            protection,
            cache,
        } = raw;
        if data_dir.is_empty() {
            return Err(ConfigurationError::field("data_dir", "must not be empty"));
        }
        let trusted_proxies = TrustedProxies::parse(&trusted_proxies)
            .map_err(|error| ConfigurationError::field("trusted_proxies", error.to_string()))?;
        if proxy_protocol == ProxyProtocol::On && trusted_proxies == TrustedProxies::default() {
            let message = "needs `trusted_proxies`: PROXY headers are taken from those only";
            return Err(ConfigurationError::field("proxy_protocol", message));
        }
        telemetry::check_filter(&log).map_err(|error| ConfigurationError::field("log", error.to_string()))?;
        Ok(Self {
            listen: address("listen", &listen)?,
            ops_listen: address("ops_listen", &ops_listen)?,
            data_dir: data_dir.into(),
            admin: AdminEndpoint {
                uri: endpoint(&admin_endpoint)?,
                authorities_pem: admin_ca_file.map(|path| read_authorities(&path)).transpose()?,
            },
            redis_url: redis_url.map(check_redis).transpose()?,
            join_token: check_join_token(join_token, join_token_file)?,
            upstream_addresses: AddressPolicy::parse(&upstream_allow_cidrs)
                .map_err(|error| ConfigurationError::field("upstream_allow_cidrs", error.to_string()))?,
            log,
            log_format: log_format.as_deref().map(check_log_format).transpose()?,
            threads: check_threads(threads)?,
            limits: limits.try_into()?,
            timeouts: timeouts.try_into()?,
            journal: journal.try_into()?,
            trusted_proxies,
            proxy_protocol,
            protection: protection.try_into()?,
            cache: cache.try_into()?,
        })
    }
}

pub(super) fn address(field: &'static str, text: &str) -> Result<SocketAddr, ConfigurationError> {
    text.parse()
        .map_err(|_| ConfigurationError::field(field, format!("`{text}` is not an address such as 0.0.0.0:8080")))
}

fn endpoint(text: &str) -> Result<Uri, ConfigurationError> {
    let wrong = |message: &str| ConfigurationError::field("admin_endpoint", message);
    let uri: Uri = text.parse().map_err(|_| wrong("not a URL such as https://tollgate-admin:9091"))?;
    let host = uri.host().ok_or_else(|| wrong("not a URL such as https://tollgate-admin:9091"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("must not hold a user or a password"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("must not have a path"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback(host) => Ok(uri),
        Some("http") => Err(wrong("plain http:// is allowed to loopback hosts only: it carries the providers' keys")),
        _ => Err(wrong("must begin with https:// or http://")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read(field: &'static str, path: &str) -> Result<Vec<u8>, ConfigurationError> {
    std::fs::read(Path::new(path)).map_err(|error| ConfigurationError::field(field, format!("{path}: {error}")))
}

/// What looks like PEM and holds no certificate would be taken for a list of nobody.
fn read_authorities(path: &str) -> Result<Vec<u8>, ConfigurationError> {
    let pem = read("admin_ca_file", path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(ConfigurationError::field("admin_ca_file", format!("{path}: no certificates in PEM form"))),
    }
}

fn check_join_token(token: Option<String>, file: Option<String>) -> Result<Secret, ConfigurationError> {
    let (field, token) = match (token, file) {
        (Some(token), _) => ("join_token", token),
        (None, Some(path)) => {
            let text = String::from_utf8(read("join_token_file", &path)?)
                .map_err(|_| ConfigurationError::field("join_token_file", format!("{path}: not text")))?;
            ("join_token_file", text.trim().to_owned())
        }
        (None, None) => {
            let message = "missing: set TOLLGATE_JOIN_TOKEN or TOLLGATE_JOIN_TOKEN_FILE, as for the control plane";
            return Err(ConfigurationError::field("join_token", message));
        }
    };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigurationError::field(field, "must be one word of visible ASCII characters"));
    }
    Ok(Secret::new(token))
}

fn check_redis(url: String) -> Result<Secret, ConfigurationError> {
    if !url.starts_with("redis://") && !url.starts_with("rediss://") {
        return Err(ConfigurationError::field("redis_url", "must begin with redis:// or rediss://"));
    }
    // Its errors are not shown: the address may hold a password.
    if redis::parse_redis_url(&url).is_none() || redis::Client::open(url.as_str()).is_err() {
        let message = "not an address of Redis such as redis://:password@host:6379/0";
        return Err(ConfigurationError::field("redis_url", message));
    }
    Ok(Secret::new(url))
}

fn check_log_format(text: &str) -> Result<LogFormat, ConfigurationError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(ConfigurationError::field("log_format", "must be `text` or `json`")),
    }
}

fn check_threads(threads: u32) -> Result<usize, ConfigurationError> {
    match threads {
        0 => Ok(std::thread::available_parallelism().map_or(1, NonZero::get)),
        1..=1024 => Ok(threads as usize),
        _ => Err(ConfigurationError::field("threads", "must be at most 1024")),
    }
}

fn within<T: TryFrom<u64>>(field: &'static str, value: u64, least: u64, most: u64) -> Result<T, ConfigurationError> {
    let wrong = || ConfigurationError::field(field, format!("must be from {least} to {most}"));
    if !(least..=most).contains(&value) {
        return Err(wrong());
    }
    T::try_from(value).map_err(|_| wrong())
}

impl TryFrom<raw::Limits> for Limits {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Limits) -> Result<Self, ConfigurationError> {
        let raw::Limits {
            max_body_bytes,
            max_header_bytes,
            max_connections,
            max_in_flight,
            requests_per_minute,
            requests_per_day,
            tokens_per_minute,
        } = raw;
        let optional = |field, value: Option<u64>| value.map(|value| within(field, value, 1, 1 << 53)).transpose();
        Ok(Self {
            max_body_bytes: within("limits.max_body_bytes", max_body_bytes, 1, 4 << 30)?,
            max_header_bytes: within("limits.max_header_bytes", max_header_bytes, 1 << 10, 1 << 20)?,
            max_connections: within("limits.max_connections", max_connections, 1, 10_000_000)?,
            max_in_flight: within("limits.max_in_flight", max_in_flight, 1, 10_000_000)?,
            own: tollgate_shared::limits::Limits {
                rpm: optional("limits.requests_per_minute", requests_per_minute)?,
                tpm: optional("limits.tokens_per_minute", tokens_per_minute)?,
                rpd: optional("limits.requests_per_day", requests_per_day)?,
                concurrency: None,
            },
        })
    }
}

impl TryFrom<raw::Timeouts> for Timeouts {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Timeouts) -> Result<Self, ConfigurationError> {
        let raw::Timeouts {
            connect_ms,
            first_byte_ms,
            idle_ms,
            total_ms,
            client_header_ms,
            client_body_idle_ms,
            client_write_ms,
            keepalive_ms,
            drain_accept_ms,
            drain_grace_ms,
            drain_delivery_ms,
        } = raw;
        let span = |field, ms, least| within(field, ms, least, LONGEST_MS).map(Duration::from_millis);
        Ok(Self {
            connect: span("timeouts.connect_ms", connect_ms, 1)?,
            first_byte: span("timeouts.first_byte_ms", first_byte_ms, 1)?,
            idle: span("timeouts.idle_ms", idle_ms, 1)?,
            total: span("timeouts.total_ms", total_ms, 1)?,
            client_header: span("timeouts.client_header_ms", client_header_ms, 1)?,
            client_body_idle: span("timeouts.client_body_idle_ms", client_body_idle_ms, 1)?,
            client_write: span("timeouts.client_write_ms", client_write_ms, 1)?,
            keepalive: span("timeouts.keepalive_ms", keepalive_ms, 1)?,
            drain_accept: span("timeouts.drain_accept_ms", drain_accept_ms, 0)?,
            drain_grace: span("timeouts.drain_grace_ms", drain_grace_ms, 0)?,
            drain_delivery: span("timeouts.drain_delivery_ms", drain_delivery_ms, 0)?,
        })
    }
}

impl TryFrom<raw::Journal> for Journal {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Journal) -> Result<Self, ConfigurationError> {
        let raw::Journal { level, max_bytes, segment_bytes } = raw;
        let segment_bytes = within("journal.segment_bytes", segment_bytes, 64 << 10, 1 << 30)?;
        if max_bytes / 2 < segment_bytes {
            return Err(ConfigurationError::field("journal.max_bytes", "must hold at least two segments"));
        }
        Ok(Self { level, max_bytes, segment_bytes })
    }
}

/// Of a container's limit: what is left is for what the kernel counts beside the process.
const AUTOMATIC_PERCENT: u64 = 90;
/// A proxy without traffic takes more.
const SMALLEST_WATERMARK: u64 = 8 << 20;

impl TryFrom<raw::Protection> for Protection {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Protection) -> Result<Self, ConfigurationError> {
        let raw::Protection {
            connections_per_address,
            requests_per_second_per_address,
            bad_keys_per_minute_per_address,
            signature_nonces,
            memory_watermark,
        } = raw;
        let rate = |field, value| within(field, value, 0, 100_000);
        Ok(Self {
            connections_per_address: within(
                "protection.connections_per_address",
                connections_per_address,
                0,
                MOST_CONNECTIONS,
            )?,
            requests_per_second_per_address: rate(
                "protection.requests_per_second_per_address",
                requests_per_second_per_address,
            )?,
            bad_keys_per_minute_per_address: rate(
                "protection.bad_keys_per_minute_per_address",
                bad_keys_per_minute_per_address,
            )?,
            signature_nonces: within("protection.signature_nonces", signature_nonces, 1_000, 100_000_000)?,
            memory_watermark: check_watermark(&memory_watermark)?,
        })
    }
}

fn check_watermark(text: &str) -> Result<Option<u64>, ConfigurationError> {
    match text {
        "off" => Ok(None),
        "auto" => Ok(memory::container_limit().map(|limit| limit / 100 * AUTOMATIC_PERCENT)),
        bytes => match bytes.parse() {
            Ok(bytes) if bytes >= SMALLEST_WATERMARK => Ok(Some(bytes)),
            _ => {
                let message =
                    "must be `off`, `auto` (90 % of the container's limit) or a number of bytes, at least 8388608";
                Err(ConfigurationError::field("protection.memory_watermark", message))
            }
        },
    }
}

impl TryFrom<raw::Cache> for Cache {
    type Error = ConfigurationError;

    fn try_from(raw: raw::Cache) -> Result<Self, ConfigurationError> {
        let raw::Cache { max_bytes, wait_ms } = raw;
        Ok(Self {
            max_bytes: within("cache.max_bytes", max_bytes, 0, 1 << 40)?,
            wait: within("cache.wait_ms", wait_ms, 0, LONGEST_MS).map(Duration::from_millis)?,
        })
    }
}
