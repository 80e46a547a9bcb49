//! What the proxy counts, and its text form for Prometheus.
//!
//! Counting is on every request's way, so it takes no lock and allocates nothing: relaxed atomics, those that every
//! request touches in shards by thread, so that cores do not fight over a cache line. A reader adds the shards up; the
//! figures of one reading may be an event apart from each other, never wrong in the long run.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tollgate_shared::clock::{Clock, UnixMicros};

use crate::report::CacheUse;

mod budgets;
mod histogram;
mod label;
mod limits;
mod render;
mod shard;

pub use budgets::BudgetMetrics;
pub use label::{AttemptOutcome, Outcome, Protocol};
pub use limits::LimitMetrics;

use shard::Shards;

/// Everything that is counted. One for the process, shared by reference.
#[derive(Debug, Default)]
pub struct Metrics {
    clock: Clock,
    shards: Shards,
    pub in_flight: Gauge,
    /// Client connections that are open.
    pub connections: Gauge,
    pub configuration: ConfigurationMetrics,
    pub journal: JournalMetrics,
    pub limits: LimitMetrics,
    pub budgets: BudgetMetrics,
    pub protection: ProtectionMetrics,
    pub cache: CacheMetrics,
}

/// A finished request.
#[derive(Clone, Copy, Debug)]
pub struct FinishedRequest {
    pub protocol: Protocol,
    /// What the client got, 0 when nothing.
    pub status: u16,
    pub outcome: Outcome,
    pub duration: Duration,
    /// Until the first byte of the answer's body.
    pub time_to_first_token: Option<Duration>,
}

/// How current the configuration is; written by `snapshot`.
#[derive(Debug, Default)]
pub struct ConfigurationMetrics {
    pub revision: Gauge,
    /// 1 while the stream to the control plane lives.
    pub connected: Gauge,
    /// When the proxy last knew that it held the newest revision, microseconds since 1970; 0 = never.
    pub current_at: Gauge,
    /// Resources that could not be applied and keep their last good version.
    pub rejected_resources: Gauge,
    /// 1 while the configuration in force could not be stored: a restart would bring an older one back.
    pub not_stored: Gauge,
    pub updates: Counter,
    pub store_failures: Counter,
    pub reconnects: Counter,
}

/// How full the usage journal is; written by `report`.
#[derive(Debug, Default)]
pub struct JournalMetrics {
    /// Events that the control plane has not acknowledged.
    pub events: Gauge,
    pub bytes: Gauge,
    pub write_failures: Counter,
}

/// What was turned away, and why; written by `guard` and `connection`.
#[derive(Debug, Default)]
pub struct ProtectionMetrics {
    /// Connections beyond what an address may have.
    pub connections_refused: Counter,
    /// Requests beyond the rate of an address.
    pub requests_refused: Counter,
    pub bad_keys: Counter,
    /// Those of them that were answered with a wait.
    pub bad_keys_throttled: Counter,
    /// Tokens from throttled addresses that were new here and not looked at.
    pub tokens_unverified: Counter,
    /// Connections whose PROXY header was missing, malformed, or a stranger's.
    pub proxy_headers_refused: Counter,
    pub shed_for_memory: Counter,
    /// Bytes in use; 0 while nobody watches.
    pub memory: Gauge,
}

/// What services' caches did; written by `gateway`.
#[derive(Debug, Default)]
pub struct CacheMetrics {
    pub hits: Counter,
    pub misses: Counter,
    pub bypasses: Counter,
    /// Answers that are kept, and what they take.
    pub entries: Gauge,
    pub bytes: Gauge,
}

impl CacheMetrics {
    pub fn used(&self, cache: CacheUse) {
        let counter = match cache {
            CacheUse::Hit => &self.hits,
            CacheUse::Miss => &self.misses,
            CacheUse::Bypass => &self.bypasses,
        };
        counter.add(1);
    }
}

impl Metrics {
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    pub fn request_finished(&self, request: &FinishedRequest) {
        self.shards.mine().request_finished(request);
    }

    pub fn attempt_finished(&self, outcome: AttemptOutcome) {
        self.shards.mine().attempts[outcome as usize].fetch_add(1, Relaxed);
    }

    pub fn connection_accepted(&self) {
        self.shards.mine().connections.fetch_add(1, Relaxed);
    }

    /// Prompt and answer, as the provider counted them.
    pub fn tokens_used(&self, input: u64, output: u64) {
        let shard = self.shards.mine();
        shard.input_tokens.fetch_add(input, Relaxed);
        shard.output_tokens.fetch_add(output, Relaxed);
    }

    /// Since when the configuration may be out of date; absent when there never was one.
    pub fn configuration_staleness(&self) -> Option<Duration> {
        let current_at: UnixMicros = self.configuration.current_at.get();
        let elapsed = u64::try_from(self.clock.now().saturating_sub(current_at)).unwrap_or(0);
        (current_at > 0).then(|| Duration::from_micros(elapsed))
    }

    /// In the text format that Prometheus reads.
    pub fn render(&self) -> String {
        render::render(self)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// [`Gauge::set`] for sizes and revisions, which do not reach the type's end.
    pub fn set_unsigned(&self, value: u64) {
        self.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Returns the value after it.
    pub fn add(&self, difference: i64) -> i64 {
        self.0.fetch_add(difference, Relaxed).wrapping_add(difference)
    }

    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
