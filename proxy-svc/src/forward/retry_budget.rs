//! How much of what is in work may be retries: a fifth, and never fewer than three.
//!
//! When a provider fails as a whole, each request would be tried several times, and the gateway would multiply the load
//! on what is left. So beyond this share a request gets the first failure as its answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One in so many.
const SHARE: u64 = 5;
const ALWAYS: u64 = 3;

#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    active: AtomicU64,
    retries: AtomicU64,
}

/// A request in work.
#[derive(Debug)]
pub(super) struct Active<'b>(&'b RetryBudget);

/// A request that is tried again; until an attempt of it counts as good, or it is over.
#[derive(Debug)]
pub(super) struct Retry<'b>(&'b RetryBudget);

impl RetryBudget {
    pub(super) fn enter(&self) -> Active<'_> {
        self.active.fetch_add(1, Relaxed);
        Active(self)
    }

    pub(super) fn retry(&self) -> Option<Retry<'_>> {
        let most = (self.active.load(Relaxed) / SHARE).max(ALWAYS);
        let taken = self.retries.fetch_update(Relaxed, Relaxed, |retries| (retries < most).then_some(retries + 1));
        taken.is_ok().then(|| Retry(self))
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

impl Drop for Retry<'_> {
    fn drop(&mut self) {
        self.0.retries.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(active: usize) -> usize {
        let budget = RetryBudget::default();
        let _active: Vec<_> = (0..active).map(|_| budget.enter()).collect();
        let retries: Vec<_> = std::iter::from_fn(|| budget.retry()).collect();
        retries.len()
    }

    #[test]
    fn a_fifth_of_what_is_in_work_and_never_fewer_than_three() {
        for (active, expected) in [(1, 3), (15, 3), (20, 4), (100, 20)] {
            assert_eq!(granted(active), expected, "{active}");
        }
    }

    #[test]
    fn what_is_over_makes_room() {
        let budget = RetryBudget::default();
        let mut held: Vec<_> = std::iter::from_fn(|| budget.retry()).collect();
        assert!(budget.retry().is_none());
        held.pop();
        assert!(budget.retry().is_some());
        drop(held);
        assert_eq!(budget.retries.load(Relaxed), 0);
    }
}
