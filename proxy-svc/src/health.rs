//! What is known of the upstream keys: who is out, why and until when, and how well the others serve.
//!
//! One state for each key × model, and one for what concerns a key as a whole. It lives outside the snapshot and
//! survives its changes: the registry hands out shared state when a snapshot's rosters are built, so a request reads
//! atomics and takes no lock. To ask about a key costs three loads (account, allowance, circuit), and where the caller
//! names the model a look-up in a map that is replaced as a whole. A lock is taken only by an outcome that changes a
//! state, which is when something went wrong or was mended; it is held for a few stores.
//!
//! What decides by this is `route`; what feeds it is `forward`, through [`Ticket`]. It knows nothing of the wire: the
//! file `exchange` speaks to whoever carries it to the control plane.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tollgate_shared::{
    clock::{Clock, UnixMicros},
    ids::UpstreamKeyId,
};

mod account;
mod allowance;
mod circuit;
mod day;
mod exchange;
mod gate;
mod key;
mod moment;
mod reason;
mod render;
mod ticket;
mod vitals;
mod watch;

use self::key::QuotaGroup;
pub(crate) use self::{
    allowance::SHORTEST_REST,
    ticket::{Ticket, Verdict},
};
pub use self::{
    gate::{KeyState, Standing},
    key::KeyHealth,
    moment::Moment,
    reason::Cause,
    vitals::Reading,
    watch::Watch,
};
use crate::snapshot::{BaseUrl, UpstreamKey};

/// State of a key that no snapshot has any more is kept so long: it may come back.
const KEPT_UNUSED: Duration = Duration::from_hours(1);

/// The registry of all keys' health. One for the process.
#[derive(Debug)]
pub struct Health {
    began: Instant,
    clock: Clock,
    entries: Mutex<Entries>,
    /// Requests that were not tried again because too many others were.
    pub(crate) retries_refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    keys: HashMap<UpstreamKeyId, Entry>,
    groups: HashMap<Box<str>, Arc<QuotaGroup>>,
}

#[derive(Debug)]
struct Entry {
    health: Arc<KeyHealth>,
    unused_since: Option<Moment>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

impl Health {
    /// `clock`: the time of day, for resets by the calendar and for what is told to people.
    pub fn new(clock: Clock) -> Self {
        // Not at zero, so that nothing began before the first state.
        let began = Instant::now();
        Self { began, clock, entries: Mutex::default(), retries_refused: AtomicU64::new(0) }
    }

    pub fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    /// The moment that another reading of the clock was.
    pub(crate) fn moment(&self, at: Instant) -> Moment {
        Moment(1).after(at.saturating_duration_since(self.began))
    }

    pub(crate) fn wall(&self) -> UnixMicros {
        self.clock.now()
    }

    /// The state of a key of a snapshot that is being built: the one that it has already, unless its credential, its
    /// place or its quota group changed.
    pub(crate) fn of(&self, key: &UpstreamKey, base: &BaseUrl) -> Arc<KeyHealth> {
        let mut entries = self.entries.lock();
        let Entries { keys, groups } = &mut *entries;
        if let Some(entry) = keys.get_mut(&key.id)
            && entry.health.is_about(key, base)
        {
            entry.unused_since = None;
            return Arc::clone(&entry.health);
        }
        let group = key.quota_group.as_ref().map(|name| Arc::clone(groups.entry(name.clone()).or_default()));
        let health = Arc::new(KeyHealth::new(key, base, group.unwrap_or_default()));
        keys.insert(key.id, Entry { health: Arc::clone(&health), unused_since: None });
        health
    }

    /// Forgets keys that no snapshot has had for an hour; to be called now and then.
    pub(crate) fn sweep(&self, now: Moment) {
        let mut entries = self.entries.lock();
        let Entries { keys, groups } = &mut *entries;
        keys.retain(|_, entry| {
            if Arc::strong_count(&entry.health) > 1 {
                entry.unused_since = None;
                return true;
            }
            now.since(*entry.unused_since.get_or_insert(now)) < KEPT_UNUSED
        });
        groups.retain(|_, group| Arc::strong_count(group) > 1);
    }

    pub(crate) fn retry_refused(&self) {
        self.retries_refused.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
