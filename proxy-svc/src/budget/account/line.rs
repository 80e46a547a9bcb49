//! The requests that wait for money, and what each of them needs.

use std::sync::atomic::{
    AtomicI64,
    Ordering::{AcqRel, Acquire},
};

use parking_lot::Mutex;

/// Who waits. A request that finds enough never touches the lock.
#[derive(Debug, Default)]
pub(super) struct Line {
    total: AtomicI64,
    amounts: Mutex<Vec<i64>>,
}

/// What they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) total: i64,
    /// Of the smallest.
    pub(super) least: i64,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.total.load(Acquire) == 0
    }

    /// Of those that need less than `bound`.
    pub(super) fn below(&self, bound: i64) -> Wanted {
        let amounts = self.amounts.lock();
        let asking = || amounts.iter().copied().filter(|amount| *amount < bound);
        Wanted { total: asking().fold(0, i64::saturating_add), least: asking().min().unwrap_or_default() }
    }

    pub(super) fn join(&self, amount: i64) {
        self.amounts.lock().push(amount);
        self.total.fetch_add(amount, AcqRel);
    }

    pub(super) fn leave(&self, amount: i64) {
        let mut amounts = self.amounts.lock();
        if let Some(place) = amounts.iter().position(|waiting| *waiting == amount) {
            amounts.swap_remove(place);
        }
        self.total.fetch_sub(amount, AcqRel);
    }
}
