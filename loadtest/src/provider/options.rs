//! What a simulated provider is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be chosen before the start; the defaults suit tests.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Each thread has its own event loop and its own listening socket.
    pub threads: usize,
    /// Wait between a request and its answer's head.
    pub latency: Duration,
    /// Content chunks of a stream.
    pub chunks: u32,
    /// Wait before each content chunk of a stream. Zero: everything leaves at once.
    pub chunk_gap: Duration,
    /// Length of the text that the model says, in bytes.
    pub answer_bytes: usize,
    pub log: LogOptions,
    /// Requests with members that the provider does not know are refused, whatever the model.
    pub strict: bool,
    /// Credentials that are refused as the provider in question refuses them.
    pub bad_keys: Vec<String>,
    pub tls: Option<TlsOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 1,
            latency: Duration::ZERO,
            chunks: 8,
            chunk_gap: Duration::ZERO,
            answer_bytes: 400,
            log: LogOptions::default(),
            strict: false,
            bad_keys: Vec::new(),
            tls: None,
        }
    }
}

/// Bounds of the request log; the oldest entries go first.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    pub enabled: bool,
    pub max_entries: usize,
    /// Of headers and bodies together.
    pub max_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { enabled: true, max_entries: 20_000, max_bytes: 128 << 20 }
    }
}

impl LogOptions {
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}

/// TLS with a certificate authority made at the start.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Names and addresses in the certificate besides `localhost` and `127.0.0.1`.
    pub names: Vec<String>,
    /// Where the authority's certificate is written, as PEM.
    pub ca_file: Option<PathBuf>,
}
