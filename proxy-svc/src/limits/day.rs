//! So many a calendar day (UTC), in one atomic: the day and its count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of the count: more than any service serves in a day.
const COUNT_BITS: u32 = 44;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

#[derive(Debug, Default)]
pub(super) struct Day(AtomicU64);

impl Day {
    /// What was counted on this day.
    pub(super) fn count(&self, day: u64) -> u64 {
        count_of(self.0.load(Relaxed), day)
    }

    /// Takes one, unless `most` are taken.
    pub(super) fn take(&self, day: u64, most: u64) -> bool {
        let next = |state| {
            let count = count_of(state, day);
            (count < most.min(COUNT)).then(|| state_of(day, count + 1))
        };
        self.0.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    /// Counts one that somebody else let through.
    pub(super) fn charge(&self, day: u64) {
        let next = |state| Some(state_of(day, count_of(state, day) + 1));
        let _ = self.0.fetch_update(Relaxed, Relaxed, next);
    }

    /// One that was taken on this day and not used.
    pub(super) fn give_back(&self, day: u64) {
        let next = |state| {
            let count = count_of(state, day);
            (count > 0).then(|| state_of(day, count - 1))
        };
        let _ = self.0.fetch_update(Relaxed, Relaxed, next);
    }

    /// Goes by what somebody else counted.
    pub(super) fn learn(&self, day: u64, count: u64) {
        self.0.store(state_of(day, count), Relaxed);
    }
}

/// What is kept of another day counts for nothing, whichever of both comes first in the calendar: a clock that was put
/// back begins anew.
const fn count_of(state: u64, day: u64) -> u64 {
    if state >> COUNT_BITS == day { state & COUNT } else { 0 }
}

const fn state_of(day: u64, count: u64) -> u64 {
    let count = if count > COUNT { COUNT } else { count };
    day << COUNT_BITS | count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_gives_its_quota_once_and_the_next_day_again() {
        let day = Day::default();
        for _ in 0..3 {
            assert!(day.take(20_000, 3));
        }
        assert!(!day.take(20_000, 3));
        day.give_back(20_000);
        assert!(day.take(20_000, 3));
        assert!(!day.take(20_000, 3));
        day.give_back(19_999);
        assert!(!day.take(20_000, 3));
        assert!(day.take(20_001, 3));
        assert_eq!(day.count(20_001), 1);
        assert_eq!(day.count(20_000), 0);
    }

    #[test]
    fn what_was_never_taken_is_not_given_back() {
        let day = Day::default();
        day.give_back(5);
        assert_eq!(day.count(5), 0);
        day.learn(5, u64::MAX);
        assert_eq!(day.count(5), COUNT);
        day.charge(5);
        assert_eq!((day.count(5), day.count(6)), (COUNT, 0));
    }
}
