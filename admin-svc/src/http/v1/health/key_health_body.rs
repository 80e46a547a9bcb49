//! A key's health as the API shows it.

use serde::Serialize;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProxyId, UpstreamKeyId},
};

use crate::{
    app::health::KeyHealth,
    domain::{
        key_health::{Assessment, KeyState, KeyView, ModelHealth, OutcomeCounts, ProxyView},
        key_probe::{Found, KeyProbe, ProbeOutcome},
        timestamp::Timestamp,
    },
    store::key_health::KeyRow,
};

const SECOND_US: i64 = 1_000_000;

/// How an upstream key is: the worst of its models, by all proxies and by its last probe.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = KeyHealth)]
pub(super) struct KeyHealthBody {
    upstream_key_id: UpstreamKeyId,
    pool_id: String,
    provider_id: String,
    name: String,
    state: KeyState,
    /// Why, in words; absent when all is well.
    reason: Option<String>,
    /// When it is tried again, if that is known.
    until: Option<Timestamp>,
    /// Seconds until then, 0 when it has passed.
    retry_in_seconds: Option<u64>,
    models: Vec<ModelBody>,
    last_probe: Option<ProbeBody>,
    /// When it is probed next, unless requests show before that it works.
    next_probe_at: Option<Timestamp>,
    proxies: Vec<ProxyBody>,
}

/// A model of a key.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = KeyModelHealth)]
struct ModelBody {
    /// Absent: the key as a whole.
    model: Option<String>,
    state: KeyState,
    reason: Option<String>,
    until: Option<Timestamp>,
    retry_in_seconds: Option<u64>,
    /// How attempts of the last five minutes ended.
    outcomes: OutcomeCounts,
    /// Milliseconds to the first token, a moving average.
    ttft_ms: Option<f64>,
    in_flight: u64,
    last_outcome_at: Option<Timestamp>,
}

/// What the last probe found.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = KeyProbe)]
struct ProbeBody {
    at: Timestamp,
    outcome: ProbeOutcome,
    latency_ms: u64,
    message: Option<String>,
}

/// What a proxy says of a key: the worst of its models.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = KeyHealthAtProxy)]
struct ProxyBody {
    proxy_id: ProxyId,
    state: KeyState,
    reported_at: Timestamp,
}

impl KeyHealthBody {
    pub(super) fn new(health: KeyHealth, now: UnixMicros) -> Self {
        let KeyHealth { key, view, assessment } = health;
        let KeyRow { id, pool_id, provider_id, name, status: _, probe } = key;
        let Assessment { state, reason, until } = assessment;
        let KeyView { models, proxies } = view;
        let next_probe_at = probe.as_ref().filter(|_| state != KeyState::Disabled).map(|probe| probe.due_at);
        Self {
            upstream_key_id: id,
            pool_id,
            provider_id,
            name,
            state,
            reason: filled(reason),
            until: until.map(Timestamp::from_micros),
            retry_in_seconds: until.map(|until| seconds_until(until, now)),
            models: models.into_iter().map(|model| ModelBody::new(model, now)).collect(),
            last_probe: probe.and_then(ProbeBody::new),
            next_probe_at: next_probe_at.map(Timestamp::from_micros),
            proxies: proxies.into_iter().map(ProxyBody::from).collect(),
        }
    }
}

impl ModelBody {
    fn new(model: ModelHealth, now: UnixMicros) -> Self {
        let ModelHealth { model, state, reason, until, outcomes, ttft_us, in_flight, outcome_at, ok_at: _ } = model;
        Self {
            model,
            state,
            reason: filled(reason),
            until: until.map(Timestamp::from_micros),
            retry_in_seconds: until.map(|until| seconds_until(until, now)),
            outcomes,
            ttft_ms: ttft_us.and_then(|us| u32::try_from(us).ok()).map(|us| f64::from(us) / 1_000.0),
            in_flight,
            last_outcome_at: outcome_at.map(Timestamp::from_micros),
        }
    }
}

impl ProbeBody {
    fn new(probe: KeyProbe) -> Option<Self> {
        let Found { at, outcome, detail, latency_ms } = probe.found?;
        Some(Self { at: Timestamp::from_micros(at), outcome, latency_ms, message: filled(detail) })
    }
}

impl From<ProxyView> for ProxyBody {
    fn from(view: ProxyView) -> Self {
        let ProxyView { proxy_id, state, reported_at } = view;
        Self { proxy_id, state, reported_at: Timestamp::from_micros(reported_at) }
    }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Rounded up: nothing is tried before its time.
fn seconds_until(until: UnixMicros, now: UnixMicros) -> u64 {
    u64::try_from(until.saturating_sub(now)).unwrap_or_default().div_ceil(SECOND_US.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countdown_is_rounded_up_and_ends_at_zero() {
        assert_eq!(seconds_until(5_000_001, 0), 6);
        assert_eq!(seconds_until(5_000_000, 0), 5);
        assert_eq!(seconds_until(5, 10), 0);
    }
}
