//! Where counters are found again when a snapshot is built, and how many proxies there are to divide limits by.
//!
//! It holds no counter itself: those of what is gone go with the last snapshot and the last request that had them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tollgate_shared::limits::Limits;
use uuid::Uuid;

use super::{Counted, Counters, Scope};

/// Heartbeats in a row with fewer proxies until that is believed: after a restart of the control plane proxies come back
/// one by one, within 15 s, and those that are not there yet serve all the same.
const BELIEVED_AFTER: u32 = 5;

/// All counters of the process. Asked when snapshots are built, never by a request.
#[derive(Debug)]
pub struct Registry {
    counters: Mutex<HashMap<(Scope, Uuid), Weak<Counters>>>,
    live_proxies: AtomicU32,
    /// Fewer than `live_proxies` were told so many times in a row.
    fewer_told: AtomicU32,
    /// The most of those.
    fewer: AtomicU32,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            counters: Mutex::default(),
            live_proxies: AtomicU32::new(1),
            fewer_told: AtomicU32::new(0),
            fewer: AtomicU32::new(0),
        }
    }
}

impl Registry {
    /// The counters of a scope: the ones that it had, while anybody still has them.
    pub(crate) fn counted(&self, scope: Scope, id: Uuid, limits: &Limits) -> Counted {
        if *limits == Limits::default() {
            return Counted::default();
        }
        let mut counters = self.counters.lock();
        let entry = counters.entry((scope, id)).or_default();
        let found = entry.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Counters::new(id));
            *entry = Arc::downgrade(&new);
            new
        });
        Counted::new(Some(found))
    }

    /// Forgets the names of what is gone; to be called when a snapshot was replaced.
    pub(crate) fn forget_gone(&self) {
        self.counters.lock().retain(|_, counters| counters.strong_count() > 0);
    }

    /// As a heartbeat of the control plane says; 0 when it does not know. More is believed at once, less after a while.
    /// Called by the one task that follows the control plane.
    pub(crate) fn set_live_proxies(&self, count: u32) {
        if count == 0 {
            return;
        }
        let fewer = self.fewer.load(Relaxed).max(count);
        let told = self.fewer_told.load(Relaxed) + 1;
        if count >= self.live_proxies() {
            self.live_proxies.store(count, Relaxed);
        } else if told < BELIEVED_AFTER {
            self.fewer.store(fewer, Relaxed);
            self.fewer_told.store(told, Relaxed);
            return;
        } else {
            self.live_proxies.store(fewer, Relaxed);
        }
        self.fewer.store(0, Relaxed);
        self.fewer_told.store(0, Relaxed);
    }

    /// At least 1.
    pub(crate) fn live_proxies(&self) -> u32 {
        self.live_proxies.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_again_while_somebody_has_them() {
        let (registry, limits) = (Registry::default(), Limits { rpm: Some(1), ..Limits::default() });
        let id = Uuid::from_u128(1);
        let first = registry.counted(Scope::Service, id, &limits);
        let again = registry.counted(Scope::Service, id, &limits);
        assert!(Arc::ptr_eq(first.counters().unwrap(), again.counters().unwrap()));
        let other = registry.counted(Scope::AccessKey, id, &limits);
        assert!(!Arc::ptr_eq(first.counters().unwrap(), other.counters().unwrap()));
        let weak = Arc::downgrade(first.counters().unwrap());
        drop((first, again));
        registry.forget_gone();
        assert!(weak.upgrade().is_none());
        assert_eq!(registry.counters.lock().len(), 1);
    }

    #[test]
    fn what_has_no_limits_has_no_counters() {
        let registry = Registry::default();
        assert!(registry.counted(Scope::Service, Uuid::nil(), &Limits::default()).counters().is_none());
        assert!(registry.counters.lock().is_empty());
    }

    #[test]
    fn an_unknown_number_of_proxies_keeps_the_last_known_one() {
        let registry = Registry::default();
        assert_eq!(registry.live_proxies(), 1);
        registry.set_live_proxies(3);
        registry.set_live_proxies(0);
        assert_eq!(registry.live_proxies(), 3);
    }

    #[test]
    fn fewer_proxies_are_believed_when_it_stays_so() {
        let registry = Registry::default();
        registry.set_live_proxies(5);
        for told in [1, 2, 3, 5, 1, 2, 3, 2] {
            registry.set_live_proxies(told);
            assert_eq!(registry.live_proxies(), 5, "{told}");
        }
        registry.set_live_proxies(2);
        assert_eq!(registry.live_proxies(), 3);
        registry.set_live_proxies(4);
        assert_eq!(registry.live_proxies(), 4);
    }
}
