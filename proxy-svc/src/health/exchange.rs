//! What is told of health to others, and what they tell: plain values, for whoever carries them.

use std::time::Duration;

use tollgate_shared::{clock::UnixMicros, ids::UpstreamKeyId};

pub use super::gate::KeyState;

/// One key, or one of its models, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyReport {
    pub upstream_key_id: UpstreamKeyId,
    /// Absent for what concerns the key as a whole.
    pub model: Option<Box<str>>,
    pub state: KeyState,
    /// In words, without secrets.
    pub reason: String,
    pub since: UnixMicros,
    /// When it ends, as far as that is known.
    pub until: Option<UnixMicros>,
    /// Since the last report.
    pub counts: Counts,
    /// Moving average; absent while there is no measurement.
    pub first_token: Option<Duration>,
    /// Share of successes, 0 to 1.
    pub success: f32,
    pub in_flight: u32,
}

/// Outcomes of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ok: u64,
    pub rate_limited: u64,
    pub failed: u64,
    pub refused: u64,
    /// The request's own fault, or a caller that left.
    pub neutral: u64,
}

impl Counts {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What others found out about a key. Being wrong costs little: each only makes a trial earlier or keeps a key out for a
/// bounded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It answers: what keeps it out is tried at once.
    Recovered,
    /// Its credentials are refused, which concerns the whole key.
    Refused { lasts: Duration },
    /// It cannot be reached.
    Unreachable { lasts: Duration },
}
