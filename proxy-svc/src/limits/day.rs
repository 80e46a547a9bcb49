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
    use proptest::{collection, prelude::*};

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

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take,
        /// Hours pass.
        Wait(i64),
        /// The proxy's clock is put so many hours forward, or back.
        Put(i64),
        Restart,
        /// One that was taken on this day, or was granted before its clock was put, comes back.
        GiveBack,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Take),
            1 => (1..30_i64).prop_map(Step::Wait),
            1 => (-50..50_i64).prop_map(Step::Put),
            1 => Just(Step::Restart),
            1 => Just(Step::GiveBack),
        ]
    }

    proptest! {
        /// Several proxies, each with a share of the quota and a clock that is wrong and is put right or wrong: each time
        /// that a proxy's calendar shows another day, and each time that it is restarted, its share begins anew, and
        /// nothing else lets more through.
        #[test]
        fn wrong_clocks_give_a_share_for_each_day_that_they_show(
            share in 1..8_u64,
            steps in collection::vec((0..3_usize, step()), 1..300),
        ) {
            let (mut hours, mut proxies) = (1_000_i64, [(); 3].map(|()| (Day::default(), 0_i64)));
            let mut granted: [(u64, Vec<u64>); 3] = [(); 3].map(|()| (0, Vec::new()));
            for (index, step) in steps {
                let ((day, skew), (shown, grants)) = (&mut proxies[index], &mut granted[index]);
                let today = u64::try_from((hours + *skew) / 24).unwrap();
                match step {
                    Step::Wait(more) => hours += more,
                    Step::Put(by) => *skew = (*skew + by).clamp(-500, 500),
                    Step::Restart => {
                        *day = Day::default();
                        grants.clear();
                    }
                    Step::GiveBack => {
                        if let Some(of) = grants.pop() {
                            day.give_back(of);
                        }
                    }
                    Step::Take => {
                        if *shown != today {
                            (*shown, *grants) = (today, Vec::new());
                        }
                        if day.take(today, share) {
                            grants.push(today);
                        }
                        prop_assert!(grants.len() as u64 <= share);
                        // Nothing is lost either.
                        prop_assert_eq!(day.count(today), grants.len() as u64);
                    }
                }
            }
        }
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
