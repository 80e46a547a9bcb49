//! One key × model: what each proxy last said of it, and how attempts ended lately.

use std::collections::HashMap;

use tollgate_shared::{clock::UnixMicros, ids::ProxyId};

use super::SILENT_AFTER_US;
use crate::domain::key_health::{KeyModelReport, KeyState, ModelHealth, OutcomeCounts, ProxyView};

const MINUTE_US: i64 = 60 * 1_000_000;
/// Outcomes are counted over so many minutes; a key without any in that time, and without a state, is forgotten.
const MINUTES: usize = 5;
const WINDOW_US: i64 = 5 * MINUTE_US;

/// What a proxy last said.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    state: KeyState,
    reason: String,
    until: Option<UnixMicros>,
    ttft_us: Option<u64>,
    in_flight: u32,
    at: UnixMicros,
}

impl Seen {
    pub(super) fn new(report: &KeyModelReport, at: UnixMicros) -> Self {
        let KeyModelReport { upstream_key_id: _, model: _, state, reason, until, outcomes: _, ttft_us, in_flight } =
            report;
        Self { state: *state, reason: reason.clone(), until: *until, ttft_us: *ttft_us, in_flight: *in_flight, at }
    }

    /// Whether it still counts. Healthy states are not repeated, but nothing depends on them.
    fn is_live(&self, now: UnixMicros) -> bool {
        let longest = if self.state.is_well() { WINDOW_US } else { SILENT_AFTER_US };
        now.saturating_sub(self.at) < longest
    }
}

#[derive(Debug, Default)]
pub(super) struct Entry {
    by_proxy: HashMap<ProxyId, Seen>,
    /// By minute: the minute since 1970, and what came in it.
    outcomes: [(i64, OutcomeCounts); MINUTES],
    outcome_at: Option<UnixMicros>,
    ok_at: Option<UnixMicros>,
}

impl Entry {
    /// Takes a report in; the state that this proxy said before, if that still counted.
    pub(super) fn take(
        &mut self,
        proxy: ProxyId,
        seen: Seen,
        outcomes: &OutcomeCounts,
        now: UnixMicros,
    ) -> Option<KeyState> {
        if outcomes.total() > 0 {
            self.outcome_at = Some(now);
            let minute = now.div_euclid(MINUTE_US);
            let (of, counts) = &mut self.outcomes[usize::try_from(minute).unwrap_or_default() % MINUTES];
            if *of != minute {
                (*of, *counts) = (minute, OutcomeCounts::default());
            }
            counts.add(outcomes);
        }
        if outcomes.ok > 0 {
            self.ok_at = Some(now);
        }
        self.by_proxy.insert(proxy, seen).filter(|before| before.is_live(now)).map(|before| before.state)
    }

    pub(super) fn forget(&mut self, proxy: ProxyId) {
        self.by_proxy.remove(&proxy);
    }

    pub(super) fn is_worth_keeping(&mut self, now: UnixMicros) -> bool {
        self.by_proxy.retain(|_, seen| seen.is_live(now));
        !self.by_proxy.is_empty() || self.outcome_at.is_some_and(|at| now.saturating_sub(at) < WINDOW_US)
    }

    /// All proxies put together: the worst state, of equal ones the one that lasts longest.
    pub(super) fn health(&self, model: Option<String>, now: UnixMicros) -> ModelHealth {
        let seen = || self.by_proxy.values().filter(|seen| seen.is_live(now));
        let worst = seen().max_by_key(|seen| (seen.state.severity(), seen.until, seen.at));
        let (total, count) = seen()
            .filter_map(|seen| seen.ttft_us)
            .fold((0_u128, 0_u128), |(total, count), ttft| (total + u128::from(ttft), count + 1));
        let oldest = now.div_euclid(MINUTE_US) - i64::try_from(MINUTES).unwrap_or_default();
        let mut outcomes = OutcomeCounts::default();
        self.outcomes.iter().filter(|(minute, _)| *minute > oldest).for_each(|(_, counts)| outcomes.add(counts));
        ModelHealth {
            model,
            state: worst.map_or(KeyState::Unknown, |seen| seen.state),
            reason: worst.map(|seen| seen.reason.clone()).unwrap_or_default(),
            until: worst.and_then(|seen| seen.until),
            outcomes,
            ttft_us: total.checked_div(count).and_then(|mean| u64::try_from(mean).ok()),
            in_flight: seen().map(|seen| u64::from(seen.in_flight)).sum(),
            outcome_at: self.outcome_at,
            ok_at: self.ok_at,
        }
    }

    /// Adds this model's proxies to those of the key's other models; the worst state of each stays.
    pub(super) fn show_proxies(&self, proxies: &mut Vec<ProxyView>, now: UnixMicros) {
        for (id, seen) in self.by_proxy.iter().filter(|(_, seen)| seen.is_live(now)) {
            match proxies.iter_mut().find(|proxy| proxy.proxy_id == *id) {
                Some(proxy) => {
                    if seen.state.severity() > proxy.state.severity() {
                        proxy.state = seen.state;
                    }
                    proxy.reported_at = proxy.reported_at.max(seen.at);
                }
                None => proxies.push(ProxyView { proxy_id: *id, state: seen.state, reported_at: seen.at }),
            }
        }
    }
}
