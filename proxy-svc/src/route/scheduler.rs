//! Which of several equals serves next: one trait, one file a strategy, one registry.
//!
//! A scheduler sees only members that can serve now: those that cool or were ejected are left out before. It takes no
//! lock and holds no state of its own: what it goes on is the turn's number, a place in the queue for each member, and
//! how the members are doing. Turn and places live with the tier and go on when the configuration changes. To add one,
//! see `docs/adding-a-scheduler.md`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[cfg(test)]
mod example;
mod health_best;
mod round_robin;
mod weighted;

use self::{health_best::HealthBest, round_robin::RoundRobin, weighted::Weighted};
use crate::{health::Reading, snapshot::Strategy};

/// Chooses among the members of a tier that can serve.
pub trait Scheduler: Send + Sync {
    /// The position in `contenders` of the member that serves turn number `turn`. `contenders` is never empty; they come
    /// in the order of the configuration, and each weight is greater than 0.
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize;

    /// Whether it looks at [`Contender::reading`]; otherwise that is not read.
    fn reads_health(&self) -> bool {
        false
    }
}

/// A member that can serve.
#[derive(Clone, Copy, Debug)]
pub struct Contender<'a> {
    /// The target's × the key's.
    pub weight: u64,
    pub place: &'a Place,
    pub reading: Reading,
}

/// A member's place in a queue: the turn in which it was last served.
#[derive(Debug, Default)]
pub struct Place(AtomicU64);

impl Place {
    pub(super) fn at(turn: u64) -> Self {
        Self(AtomicU64::new(turn))
    }

    pub fn last_served(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Puts it behind those that were served before `turn`; false when another request was faster.
    pub fn serve(&self, last_served: u64, turn: u64) -> bool {
        self.0.compare_exchange(last_served, turn, Relaxed, Relaxed).is_ok()
    }
}

/// The scheduler of a strategy.
pub fn scheduler(strategy: Strategy) -> &'static dyn Scheduler {
    match strategy {
        Strategy::RoundRobin => &RoundRobin,
        Strategy::Weighted => &Weighted,
        Strategy::HealthBest => &HealthBest,
    }
}

#[cfg(test)]
mod tests;
