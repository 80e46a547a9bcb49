//! What this proxy sees of its upstream keys goes to the control plane, and what the control plane and other proxies
//! found comes back.
//!
//! - here: the words, and [`HealthRecord`], the seam to whatever keeps the keys' health. No protocol buffers.
//! - `stream`: the stream to the control plane, opened anew for as long as the proxy lives. It passes messages on.
//! - `convert`: the only file here that looks into them.
//!
//! Lossy, and never in anybody's way: a request knows the keys' health in memory and never waits for this; without the
//! control plane, proxies find out for themselves. A hint is advice, not configuration: whoever keeps the health decides
//! what it is worth beside what it saw itself.

use std::time::Duration;

use tollgate_shared::{clock::UnixMicros, ids::UpstreamKeyId};

mod convert;
mod stream;

pub use stream::{ExchangeOptions, run};

pub use crate::health::KeyState;

/// Keeps the health of the upstream keys. Asked from one task, every second or two; must not wait.
pub trait HealthRecord: Send + Sync + 'static {
    /// What is not healthy (each time), what changed since the last call, and what had outcomes since. Outcomes are
    /// handed over: the next call begins to count anew.
    fn report(&self) -> Vec<KeyModelReport>;

    /// Something that was found elsewhere.
    fn hint(&self, hint: KeyHint);
}

/// What this proxy says of a key and a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyModelReport {
    pub upstream_key_id: UpstreamKeyId,
    /// Absent: the key as a whole.
    pub model: Option<Box<str>>,
    pub state: KeyState,
    /// In words without secrets; empty when healthy.
    pub reason: Box<str>,
    /// When it may be tried again, if that is known.
    pub until: Option<UnixMicros>,
    /// Seen by this proxy itself: a state that comes from a hint has none, by which it is told from news.
    pub outcomes: OutcomeCounts,
    /// Time to the first token, a moving average.
    pub ttft: Option<Duration>,
    pub in_flight: u32,
}

/// How attempts ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    pub ok: u64,
    pub rate_limited: u64,
    pub overloaded: u64,
    pub server_error: u64,
    pub refused: u64,
    pub timed_out: u64,
    pub connect_failed: u64,
    pub connection_lost: u64,
    pub spent: u64,
}

impl OutcomeCounts {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was found elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider answers and takes the key: what was ejected, unreachable or refused may be tried again. It says
    /// nothing about rate limits: what is cooling or spent stays so.
    Recovered,
    /// The provider does not take the credential.
    Refused,
    /// The control plane got no answer from the provider. A proxy that does knows better.
    Unreachable,
    /// Another proxy was told to wait: rate limited, or the quota is used up.
    CoolingUntil(UnixMicros),
}

/// Something that was found elsewhere, and that counts for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHint {
    pub upstream_key_id: UpstreamKeyId,
    /// Absent: all models of the key.
    pub model: Option<Box<str>>,
    pub verdict: Verdict,
    /// When it is looked at again, if that is known.
    pub until: Option<UnixMicros>,
    /// From its arrival on; after that it counts for nothing, unless it came again.
    pub ttl: Duration,
    pub reason: Box<str>,
}
