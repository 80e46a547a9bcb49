//! What the proxies of this process say of upstream keys, and what they are told.
//!
//! States are kept by proxy and put together when somebody looks. A state that is not healthy is repeated by its proxy
//! every second or two, so one that was not repeated for [`SILENT_AFTER_US`] is over, whether the proxy is gone or the
//! report that said so was lost.
//!
//! What one proxy was told by a provider (a wait, a refusal of the credential) is passed on to the others, but only
//! with the outcome that proves it: a proxy that waits because of a hint reports the same state, and would otherwise
//! send it back for ever. That a key failed too often is not passed on: each proxy has its own way to the provider.

mod entry;
mod hints;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tollgate_shared::{
    clock::{Clock, UnixMicros},
    ids::{BootId, ProxyId, UpstreamKeyId},
};
use uuid::Uuid;

use self::{
    entry::{Entry, Seen},
    hints::Hints,
};
use crate::{
    domain::key_health::{Hint, KeyModelReport, KeyState, ReplicaView},
    grpc::{HealthRelay, JoinedHealth},
    store::key_health::SILENT_AFTER_US,
};

/// Keys × models that are remembered: far above what a gateway has, so that a proxy that has gone mad does not fill the
/// memory.
const MOST_ENTRIES: usize = 100_000;
/// Hints that a stream may be behind before it is given all that count instead.
const HINTS_BEHIND: usize = 1_024;
/// Unchanged states are written so often, as a sign of life.
const RENEW_AFTER_US: i64 = 5 * 1_000_000;

type Place = (UpstreamKeyId, Option<String>);

/// A change of a key's state that changes when its probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Its provider is in trouble: it is to be probed soon.
    Recovery,
    /// Its credential is refused: it is to be probed in a while.
    Acceptance,
}

/// Cheap to ask from any stream; nothing here waits.
#[derive(Debug)]
pub struct Board {
    clock: Clock,
    /// Names this process's rows; new at every start.
    replica: String,
    inner: Mutex<Inner>,
    hints: broadcast::Sender<Arc<Hint>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Place, Entry>,
    boots: HashMap<ProxyId, BootId>,
    hints: Hints,
    /// Keys whose probes are to come at another time.
    expected: HashMap<UpstreamKeyId, Expected>,
    written: HashMap<UpstreamKeyId, (UnixMicros, ReplicaView)>,
}

impl Board {
    pub fn new(clock: Clock) -> Self {
        let (hints, _) = broadcast::channel(HINTS_BEHIND);
        let replica = Uuid::now_v7().to_string();
        Self { clock, replica, inner: Mutex::default(), hints, changed: Notify::new() }
    }

    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Waits until a state changed or a hint was made.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What this process's proxies say now, by key.
    pub fn views(&self) -> BTreeMap<UpstreamKeyId, ReplicaView> {
        self.inner.lock().views(self.clock.now())
    }

    /// What is to be written, by key: what changed, and what was not written for a while.
    pub fn to_write(&self) -> Vec<(UpstreamKeyId, ReplicaView)> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let mut views = inner.views(now);
        // A key that nothing is known of any more is written once more, empty.
        let over: Vec<UpstreamKeyId> = inner.written.keys().filter(|id| !views.contains_key(id)).copied().collect();
        for id in over {
            let nothing = inner.written.get(&id).is_some_and(|(_, view)| *view == ReplicaView::default());
            if nothing {
                inner.written.remove(&id);
            } else {
                views.insert(id, ReplicaView::default());
            }
        }
        let mut rows = Vec::new();
        for (id, view) in views {
            let due = inner
                .written
                .get(&id)
                .is_none_or(|(at, written)| now.saturating_sub(*at) >= RENEW_AFTER_US || is_other(written, &view));
            if due {
                inner.written.insert(id, (now, view.clone()));
                rows.push((id, view));
            }
        }
        rows
    }

    /// Hints that were made here and are not in the database yet.
    pub fn hints_to_write(&self) -> Vec<Hint> {
        self.inner.lock().hints.take_unwritten()
    }

    /// The database did not take what was to be written.
    pub fn not_written(&self, hints: Vec<Hint>) {
        let mut inner = self.inner.lock();
        inner.written.clear();
        inner.hints.not_written(hints);
    }

    /// Keys whose probes are to come at another time.
    pub fn take_expected(&self) -> Vec<(UpstreamKeyId, Expected)> {
        self.inner.lock().expected.drain().collect()
    }

    /// Tells all proxies.
    pub fn tell(&self, hint: Hint) {
        let hint = Arc::new(hint);
        self.inner.lock().hints.make(Arc::clone(&hint));
        // Nobody listens: whoever comes gets it then.
        let _ = self.hints.send(hint);
        self.changed.notify_one();
    }

    /// Hints that count, by the database: those that are news here are passed on.
    pub fn learn(&self, hints: Vec<Hint>) {
        let news = self.inner.lock().hints.learn(hints, self.clock.now());
        for hint in news {
            let _ = self.hints.send(hint);
        }
    }
}

/// Whether states differ, and not only figures, which change all the time.
fn is_other(one: &ReplicaView, other: &ReplicaView) -> bool {
    let states = |view: &ReplicaView| {
        let models = view.models.iter().map(|model| (model.model.clone(), model.state, model.until));
        let proxies = view.proxies.iter().map(|proxy| (proxy.proxy_id, proxy.state));
        (models.collect::<Vec<_>>(), proxies.collect::<Vec<_>>())
    };
    states(one) != states(other)
}

impl Inner {
    fn views(&mut self, now: UnixMicros) -> BTreeMap<UpstreamKeyId, ReplicaView> {
        self.entries.retain(|_, entry| entry.is_worth_keeping(now));
        let mut views: BTreeMap<UpstreamKeyId, ReplicaView> = BTreeMap::new();
        for ((id, model), entry) in &mut self.entries {
            let view = views.entry(*id).or_default();
            view.models.push(entry.health(model.clone(), now));
            entry.show_proxies(&mut view.proxies, now);
        }
        for view in views.values_mut() {
            view.models.sort_by(|one, other| one.model.cmp(&other.model));
            view.proxies.sort_by_key(|proxy| proxy.proxy_id);
        }
        views
    }

    /// Takes one state in; the hint that others are to get, and whether the state is another one than before.
    fn take(&mut self, proxy: ProxyId, report: &KeyModelReport, now: UnixMicros) -> (Option<Hint>, bool) {
        let place = (report.upstream_key_id, report.model.clone());
        if !self.entries.contains_key(&place) && self.entries.len() >= MOST_ENTRIES {
            return (None, false);
        }
        let hint = self.hints.proven_by(proxy, report, now);
        let state = report.state;
        let before = self.entries.entry(place).or_default().take(proxy, Seen::new(report, now), &report.outcomes, now);
        if before != Some(state) {
            let expected = match state {
                KeyState::Refused => Some(Expected::Acceptance),
                _ if state.awaits_recovery() && !before.is_some_and(KeyState::awaits_recovery) => {
                    Some(Expected::Recovery)
                }
                _ => None,
            };
            if let Some(expected) = expected {
                self.expected.insert(report.upstream_key_id, expected);
            }
        }
        (hint, before != Some(state))
    }
}

impl HealthRelay for Board {
    fn joined(&self, proxy: ProxyId, boot: BootId) -> JoinedHealth {
        let mut inner = self.inner.lock();
        if inner.boots.insert(proxy, boot).is_some_and(|before| before != boot) {
            // What it knew is gone with its process.
            inner.entries.values_mut().for_each(|entry| entry.forget(proxy));
        }
        // Subscribed under the lock: what is told meanwhile comes twice rather than not at all.
        let hints = self.hints.subscribe();
        JoinedHealth { live: inner.hints.live(self.clock.now()), hints }
    }

    fn live(&self) -> Vec<Arc<Hint>> {
        self.inner.lock().hints.live(self.clock.now())
    }

    fn reported(&self, proxy: ProxyId, states: Vec<KeyModelReport>) {
        let now = self.clock.now();
        let (mut made, mut changed) = (Vec::new(), false);
        let mut inner = self.inner.lock();
        for report in &states {
            let (hint, is_other) = inner.take(proxy, report, now);
            changed |= is_other;
            made.extend(hint);
        }
        drop(inner);
        for hint in made {
            self.tell(hint);
        }
        if changed {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
