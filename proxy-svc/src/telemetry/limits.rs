//! What limits refused, and how the counters that proxies share are doing.

use super::{Counter, Gauge};
use crate::limits::{Dimension, Scope};

/// Written by `admit`, `forward` and `limits`; only when something is refused or goes wrong.
#[derive(Debug, Default)]
pub struct LimitMetrics {
    refused: [[Counter; Dimension::ALL.len()]; Scope::ALL.len()],
    would_have_refused: [[Counter; Dimension::ALL.len()]; Scope::ALL.len()],
    /// By which limits are divided that are not shared; 0 until the control plane has told it.
    pub live_proxies: Gauge,
    /// 1 while Redis counts.
    pub redis_in_force: Gauge,
    pub redis_timeouts: Counter,
    pub redis_given_up: Counter,
    pub settlements_dropped: Counter,
}

impl LimitMetrics {
    /// For an upstream key: it was passed over.
    pub fn refused(&self, scope: Scope, dimension: Dimension) {
        self.refused[scope as usize][dimension as usize].add(1);
    }

    /// By limits that are only tried out.
    pub fn would_have_refused(&self, scope: Scope, dimension: Dimension) {
        self.would_have_refused[scope as usize][dimension as usize].add(1);
    }

    /// Scope, dimension, mode and count of what happened at least once.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (Scope, Dimension, &'static str, u64)> {
        let all = |counters: &[[Counter; Dimension::ALL.len()]; Scope::ALL.len()], mode| {
            let counts = Scope::ALL.map(|scope| {
                Dimension::ALL
                    .map(|dimension| (scope, dimension, mode, counters[scope as usize][dimension as usize].get()))
            });
            counts.into_iter().flatten()
        };
        let refusals = all(&self.refused, "enforce").chain(all(&self.would_have_refused, "shadow"));
        refusals.filter(|(_, _, _, count)| *count > 0)
    }
}
