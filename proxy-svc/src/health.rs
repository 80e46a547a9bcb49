//! What is known of the upstream keys: who is out, why and until when, and how well the others serve.
//!
//! One state for each key × model, and one for what concerns a key as a whole. It lives outside the snapshot and
//! survives its changes: the registry hands out shared state when a snapshot's rosters are built, so a request reads
//! atomics and takes no lock. To ask about a key costs three loads (account, allowance, circuit), and where the caller
//! names the model a look-up in a map that is replaced as a whole. A lock is taken only by an outcome that changes a
//! state, which is when something went wrong or was mended; it is held for a few stores.
//!
//! What decides by this is `route`; what feeds it is `forward`, through [`Ticket`]. It knows nothing of the wire: the
//! types in [`exchange`] are for whoever carries them to the control plane.

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
pub mod exchange;
mod gate;
mod key;
mod moment;
mod reason;
mod render;
mod ticket;
mod vitals;
mod watch;

pub(crate) use self::ticket::{Ticket, Verdict};
use self::{
    circuit::Told,
    exchange::{Hint, KeyReport},
    key::{ModelHealth, QuotaGroup},
    reason::Reason,
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
        Moment(1).after(self.began.elapsed())
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

    /// Every key and model that is not healthy, whose state changed since the last report, or that was used since then.
    /// There is one reader: the counts begin anew.
    pub fn report(&self) -> Vec<KeyReport> {
        let now = self.now();
        let keys: Vec<Arc<KeyHealth>> =
            self.entries.lock().keys.values().map(|entry| Arc::clone(&entry.health)).collect();
        let mut reports = Vec::new();
        for key in keys {
            if let Some(told) = key.account.tell(now) {
                reports.push(self.key_report(&key, None, Some(told), now));
            }
            for (name, model) in key.models.load().iter() {
                let told = worst(model.allowance.tell(now), model.circuit.tell());
                let report = self.key_report(&key, Some((name, model)), told.clone(), now);
                if told.is_some() || !report.counts.is_empty() {
                    reports.push(report);
                }
            }
        }
        reports
    }

    fn key_report(
        &self,
        key: &KeyHealth,
        model: Option<(&str, &ModelHealth)>,
        told: Option<Told>,
        now: Moment,
    ) -> KeyReport {
        let healthy =
            Told { state: KeyState::Healthy, until: None, since: Moment(0), reason: Reason::None, is_news: false };
        let Told { state, until, since, reason, is_news: _ } = told.unwrap_or(healthy);
        let reading = model.map(|(_, model)| model.look(now).1).unwrap_or_default();
        KeyReport {
            upstream_key_id: key.id,
            model: model.map(|(name, _)| name.into()),
            state,
            reason: reason.to_string(),
            since: self.wall_of(since, now),
            until: until.map(|until| self.wall_of(until, now)),
            counts: model.map(|(_, model)| model.tally.take()).unwrap_or_default(),
            first_token: reading.first_token,
            success: reading.success,
            in_flight: reading.in_flight,
        }
    }

    fn wall_of(&self, moment: Moment, now: Moment) -> UnixMicros {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let wall = self.wall();
        if moment >= now { wall.saturating_add(micros(moment.since(now))) } else { wall - micros(now.since(moment)) }
    }

    /// What others found out; absent `model` = all of the key's. A key that is not known here is none of our business.
    pub fn hint(&self, key: UpstreamKeyId, model: Option<&str>, hint: Hint) {
        let found = self.entries.lock().keys.get(&key).map(|entry| Arc::clone(&entry.health));
        let Some(key) = found else { return };
        let now = self.now();
        match hint {
            Hint::Recovered => key.account.seen_working(now),
            Hint::Refused { lasts } => return key.account.seen_refused(now.after(lasts), now),
            Hint::Unreachable { .. } => {}
        }
        let named = model.map(|model| key.known(model));
        let all = if model.is_none() { key.models.load_full() } else { Arc::default() };
        for model in named.into_iter().flatten().chain(all.values().map(Arc::clone)) {
            match hint {
                Hint::Unreachable { lasts } => model.circuit.seen_failing(Reason::SeenFailing, now.after(lasts), now),
                Hint::Recovered | Hint::Refused { .. } => model.circuit.seen_working(now),
            }
        }
    }

    pub(crate) fn retry_refused(&self) {
        self.retries_refused.fetch_add(1, Relaxed);
    }
}

fn worst(one: Option<Told>, other: Option<Told>) -> Option<Told> {
    match (one, other) {
        (Some(one), Some(other)) if one.state == KeyState::Healthy => Some(other),
        (Some(one), Some(other)) if other.state == KeyState::Healthy || one.until >= other.until => Some(one),
        (one, other) => other.or(one),
    }
}

#[cfg(test)]
mod tests;
