//! So many a minute, in one atomic: the generic cell rate algorithm (GCRA).
//!
//! Kept is the moment at which the bucket will be full again. Taking moves it on by the time in which what was taken
//! comes back; a minute ahead is the bucket empty. So a full bucket gives a whole minute's quota at once, and from then
//! on what comes back: in any span of time at most `limit × (1 + span / 1 min)`.
//!
//! What is more than the whole bucket passes when the bucket is full, and leaves a debt: refused for ever it would not
//! be limited but forbidden.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Nanoseconds of [`super::moment::Moment`], or between two of them.
type Nanos = u64;

/// A minute.
pub(super) const WINDOW: Nanos = 60_000_000_000;
/// Nothing has to wait longer for what was used before: bounds the harm of one settlement that is far off.
pub(super) const LONGEST_DEBT: Nanos = 60 * WINDOW;
/// Keeps sums of costs far from the type's end.
const LARGEST_COST: Nanos = 1 << 55;

#[derive(Debug, Default)]
pub(super) struct Bucket {
    full_at: AtomicU64,
}

/// In what time `amount` comes back at `limit / divisor` a minute; rounded down to a nanosecond, so that a bucket holds
/// its whole quota in whatever pieces it is taken.
pub(super) fn cost(amount: u64, limit: u64, divisor: u64) -> Nanos {
    let cost = match amount.checked_mul(divisor) {
        Some(amount) => scaled(amount, WINDOW, limit.max(1)),
        None => LARGEST_COST,
    };
    cost.min(LARGEST_COST)
}

/// How much is left where so much is used.
pub(super) fn remaining(used: Nanos, limit: u64, divisor: u64) -> u64 {
    scaled(WINDOW.saturating_sub(used), limit, WINDOW.saturating_mul(divisor.max(1)))
}

/// `amount × factor / divisor`, rounded down.
fn scaled(amount: u64, factor: u64, divisor: u64) -> u64 {
    match amount.checked_mul(factor) {
        // The usual case, without the long division of wide numbers.
        Some(product) => product / divisor,
        None => u64::try_from(u128::from(amount) * u128::from(factor) / u128::from(divisor)).unwrap_or(u64::MAX),
    }
}

/// How long to wait until `cost` fits, where so much is used.
pub(super) fn wait(used: Nanos, cost: Nanos) -> Option<Duration> {
    let over = (used + cost).saturating_sub(WINDOW.max(cost));
    (over > 0).then(|| Duration::from_nanos(over))
}

impl Bucket {
    /// How far from full it is.
    pub(super) fn used(&self, now: Nanos) -> Nanos {
        self.full_at.load(Relaxed).saturating_sub(now)
    }

    /// Takes, or says how long to wait and takes nothing.
    pub(super) fn take(&self, now: Nanos, cost: Nanos) -> Result<(), Duration> {
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            let used = full_at.saturating_sub(now);
            if let Some(wait) = wait(used, cost) {
                return Err(wait);
            }
            match self.full_at.compare_exchange_weak(full_at, now + used + cost, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(current) => full_at = current,
            }
        }
    }

    /// Takes what was used already, whether it fits or not.
    pub(super) fn charge(&self, now: Nanos, cost: Nanos) {
        self.change(|full_at| (full_at.max(now) + cost).min(now + LONGEST_DEBT.max(cost)));
    }

    /// What was taken and not used. A bucket that has filled up since stays full.
    pub(super) fn give_back(&self, cost: Nanos) {
        self.change(|full_at| full_at.saturating_sub(cost));
    }

    /// Goes by what somebody else counted.
    pub(super) fn learn(&self, now: Nanos, used: Nanos) {
        self.full_at.store(now + used.min(LARGEST_COST), Relaxed);
    }

    fn change(&self, to: impl Fn(Nanos) -> Nanos) {
        let mut full_at = self.full_at.load(Relaxed);
        while let Err(current) = self.full_at.compare_exchange_weak(full_at, to(full_at), Relaxed, Relaxed) {
            full_at = current;
        }
    }
}

#[cfg(test)]
mod tests;
