//! Probes of upstream keys: what they found, and when the next one is due.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProviderId, UpstreamKeyId},
};

use super::text_enum::text_enum;

text_enum! {
    /// What a probe found.
    pub enum ProbeOutcome {
        /// The provider answered and took the key.
        Ok = "ok",
        /// The provider did not take the key.
        Refused = "refused",
        /// The provider did not answer, or said that it is in trouble.
        Unreachable = "unreachable",
        /// The provider answered something that says nothing of the key: it has no list of models, or limits the rate.
        Inconclusive = "inconclusive",
    }
}

/// What the last probe of a key found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub at: UnixMicros,
    pub outcome: ProbeOutcome,
    /// In words without secrets; empty when all is well.
    pub detail: String,
    pub latency_ms: u64,
}

/// A key's probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProbe {
    /// When the next one is due.
    pub due_at: UnixMicros,
    /// Absent: there was none yet.
    pub found: Option<Found>,
    /// The last time that the provider answered anything at all.
    pub reached_at: Option<UnixMicros>,
}

/// A key whose probe is due, or that has none scheduled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueProbe {
    pub upstream_key_id: UpstreamKeyId,
    pub provider_id: ProviderId,
    /// Absent: nothing is scheduled.
    pub due_at: Option<UnixMicros>,
    /// Outcome and time of the last one.
    pub last: Option<(ProbeOutcome, UnixMicros)>,
    /// The key was changed after its last probe failed.
    pub changed: bool,
    /// Proxies got into trouble with it since its last probe.
    pub in_trouble: bool,
}

/// How long keys wait for their next probe. Each wait is drawn between two bounds, so that keys that came together do
/// not stay together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePace {
    /// A key that nobody uses.
    pub idle: (Duration, Duration),
    /// A key whose provider is in trouble.
    pub trouble: (Duration, Duration),
    /// A key that the provider refuses.
    pub refused: Duration,
}

impl Default for ProbePace {
    fn default() -> Self {
        Self {
            idle: (Duration::from_mins(1), Duration::from_mins(5)),
            trouble: (Duration::from_secs(10), Duration::from_secs(15)),
            refused: Duration::from_mins(10),
        }
    }
}

impl ProbePace {
    /// `random`: from 0 to 1.
    pub fn idle(&self, random: f64) -> Duration {
        between(self.idle, random)
    }

    pub fn trouble(&self, random: f64) -> Duration {
        between(self.trouble, random)
    }

    /// A tenth less at most: a refusal is looked at anew within the whole time.
    pub fn refused(&self, random: f64) -> Duration {
        between((self.refused.mul_f64(0.9), self.refused), random)
    }
}

fn between((from, to): (Duration, Duration), random: f64) -> Duration {
    from + to.saturating_sub(from).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_drawn_between_their_bounds() {
        let pace = ProbePace::default();
        assert_eq!((pace.idle(0.0), pace.idle(1.0)), pace.idle);
        assert_eq!((pace.trouble(0.0), pace.trouble(1.0)), pace.trouble);
        assert_eq!(pace.trouble(0.5), Duration::from_millis(12_500));
        assert_eq!((pace.refused(0.0).as_secs(), pace.refused(1.0).as_secs()), (540, 600));
    }
}
