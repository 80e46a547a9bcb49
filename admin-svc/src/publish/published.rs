//! The newest configuration in memory, and the way from an older revision to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::sync::watch;

use super::{CHANGES_KEPT, Change, Entry, Head};
use crate::domain::published::{Resource, ResourceKey};

/// What a proxy needs that holds a certain revision.
#[derive(Debug)]
pub enum Update {
    /// Nothing.
    Current,
    Changes(Changes),
    /// All of it: the change log does not reach back that far, or the proxy's configuration is not from here.
    Whole,
}

/// The difference between two revisions.
#[derive(Debug)]
pub struct Changes {
    pub epoch: Arc<str>,
    pub from: u64,
    pub to: u64,
    pub upserts: Vec<Arc<Resource>>,
    pub deletes: Vec<ResourceKey>,
}

/// Every resource of a revision, ordered by key.
#[derive(Debug)]
pub struct Whole {
    pub head: Head,
    pub resources: Vec<Arc<Resource>>,
}

/// The newest configuration. Empty until the first reconciliation.
#[derive(Debug)]
pub struct Published {
    state: RwLock<Option<State>>,
    head: watch::Sender<Option<Head>>,
}

#[derive(Debug)]
struct State {
    head: Head,
    resources: BTreeMap<ResourceKey, Arc<Resource>>,
    /// By revision, without gaps from the one after `covered_from` to the head.
    changes: BTreeMap<u64, Vec<ResourceKey>>,
    /// The oldest revision from which `changes` leads to the head.
    covered_from: u64,
}

impl Default for Published {
    fn default() -> Self {
        Self { state: RwLock::new(None), head: watch::Sender::new(None) }
    }
}

impl Published {
    /// Follows the head; absent until there is one.
    pub fn head(&self) -> watch::Receiver<Option<Head>> {
        self.head.subscribe()
    }

    /// What leads from a revision to the head; absent while nothing is published.
    pub fn since(&self, epoch: &str, revision: u64) -> Option<Update> {
        let state = self.state.read();
        let state = state.as_ref()?;
        if *state.head.epoch != *epoch || revision > state.head.revision || revision < state.covered_from {
            return Some(Update::Whole);
        }
        if revision == state.head.revision {
            return Some(Update::Current);
        }
        let touched: BTreeSet<&ResourceKey> =
            state.changes.range(revision + 1..).flat_map(|(_, keys)| keys.iter()).collect();
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        for key in touched {
            match state.resources.get(key) {
                Some(resource) => upserts.push(Arc::clone(resource)),
                None => deletes.push(key.clone()),
            }
        }
        let (epoch, to) = (Arc::clone(&state.head.epoch), state.head.revision);
        Some(Update::Changes(Changes { epoch, from: revision, to, upserts, deletes }))
    }

    /// Everything; absent while nothing is published.
    pub fn whole(&self) -> Option<Whole> {
        let state = self.state.read();
        let state = state.as_ref()?;
        Some(Whole { head: state.head.clone(), resources: state.resources.values().cloned().collect() })
    }

    pub(super) fn current(&self) -> Option<Head> {
        self.state.read().as_ref().map(|state| state.head.clone())
    }

    /// Starts over with a whole configuration and what is known of the way to it.
    pub(super) fn replace(&self, head: Head, resources: Vec<Entry>, log: Vec<Change>) {
        let mut changes: BTreeMap<u64, Vec<ResourceKey>> = BTreeMap::new();
        for Change { revision, key } in log {
            changes.entry(revision).or_default().push(key);
        }
        let covered_from = oldest_covered(&changes, head.revision);
        let resources = resources.into_iter().collect();
        *self.state.write() = Some(State { head: head.clone(), resources, changes, covered_from });
        self.head.send_replace(Some(head));
    }

    /// Goes on to a newer revision of the same epoch. `present` holds those of the touched resources that exist.
    pub(super) fn advance(&self, to: u64, log: Vec<Change>, present: Vec<Entry>) {
        let mut guard = self.state.write();
        let Some(state) = guard.as_mut() else { return };
        let mut present: BTreeMap<ResourceKey, Arc<Resource>> = present.into_iter().collect();
        let touched: BTreeSet<&ResourceKey> = log.iter().map(|change| &change.key).collect();
        for key in touched {
            match present.remove(key) {
                Some(resource) => state.resources.insert(key.clone(), resource),
                None => state.resources.remove(key),
            };
        }
        for Change { revision, key } in log {
            state.changes.entry(revision).or_default().push(key);
        }
        state.head.revision = to;
        state.covered_from = state.covered_from.max(to.saturating_sub(CHANGES_KEPT));
        state.changes = state.changes.split_off(&(state.covered_from + 1));
        let head = state.head.clone();
        drop(guard);
        self.head.send_replace(Some(head));
    }
}

/// The oldest revision from which the log leads to the head without a gap.
fn oldest_covered(changes: &BTreeMap<u64, Vec<ResourceKey>>, head: u64) -> u64 {
    let mut covered = head;
    for revision in changes.keys().rev() {
        if *revision != covered {
            break;
        }
        covered -= 1;
    }
    covered.max(head.saturating_sub(CHANGES_KEPT))
}
