//! The configuration in force: what a request reads, never more than one pointer away and never behind a lock.
//!
//! A [`Snapshot`] is immutable and consistent: every reference in it is an `Arc` to what exists in the same snapshot.
//! [`Snapshots`] holds the one in force; a request loads it once and keeps to it until its end. Parts that a change
//! did not touch are shared with the snapshot before, so `Arc::ptr_eq` tells cheaply that nothing changed.
//!
//! With `report` this is the only importer of the planes' protocol.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch::{Receiver, Sender};
use tollgate_shared::{
    access_key::{AccessKeyMac, Pepper},
    ids::{AccessKeyId, ProviderId, ServiceId},
};

use crate::{cache::CacheKey, health::Health, limits::Registry, stored::TagKey, translate::SealingKey};

mod apply;
mod callers;
mod convert;
mod fallback;
mod fingerprint;
#[cfg(test)]
pub(crate) mod fixture;
mod frame;
mod holdings;
pub mod identity;
mod prices;
mod service;
pub mod store;
mod upstream;
pub mod watch;

pub(crate) use callers::TokenKey;
pub use callers::{AccessKey, AccessKeyEntry, Budget, LimitsMode, SecretGeneration, User};
pub use fallback::{FallbackCondition, FallbackOn};
pub use fingerprint::Fingerprint;
pub(crate) use prices::Prices;
pub use service::{Affinity, AffinitySource, CacheScope, ResponseCache, Route, Service, Strategy, Target};
pub use upstream::{BaseUrl, Pool, Provider, ProviderKind, UpstreamKey};

/// By the MAC of an access key's secret.
type MacMap<T> = HashMap<AccessKeyMac, T, BuildHasherDefault<MacHasher>>;

/// A proxy's whole configuration at one revision.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Identity of the database that it came from; empty before the first snapshot.
    pub epoch: String,
    pub revision: u64,
    pepper: Option<Pepper>,
    sealing_key: Option<SealingKey>,
    tag_key: Option<TagKey>,
    cache_key: Option<CacheKey>,
    providers: BTreeMap<ProviderId, Arc<Provider>>,
    services: HashMap<ServiceId, Arc<Service>>,
    access_keys: MacMap<AccessKeyEntry>,
    users: Vec<Arc<User>>,
    prices: Arc<Prices>,
    /// In the order of their ids: only tokens are looked up by id, and a list costs a change far less than a second map.
    access_keys_by_id: Vec<(AccessKeyId, Arc<AccessKey>)>,
    token_keys: Vec<TokenKey>,
}

impl Snapshot {
    /// What models cost.
    pub(crate) fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Every access key once.
    pub(crate) fn access_keys(&self) -> impl Iterator<Item = &Arc<AccessKey>> {
        let current = |entry: &&AccessKeyEntry| entry.secret == SecretGeneration::Current;
        self.access_keys.values().filter(current).map(|entry| &entry.key)
    }

    /// By the MAC of what the caller presented, current or previous secret alike: see [`AccessKeyEntry::secret`].
    pub fn access_key(&self, mac: &AccessKeyMac) -> Option<&AccessKeyEntry> {
        self.access_keys.get(mac)
    }

    /// The access key that a token names.
    pub(crate) fn access_key_by_id(&self, id: AccessKeyId) -> Option<&Arc<AccessKey>> {
        let found = self.access_keys_by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.access_keys_by_id.get(found).map(|(_, key)| key)
    }

    /// The key under which a token was signed, if it is one of the control plane's.
    pub(crate) fn token_key(&self, id: &str) -> Option<&TokenKey> {
        self.token_keys.iter().find(|key| *key.id == *id)
    }

    /// What access keys are hashed with; absent until the control plane sent it, and then no key can be known.
    pub fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }

    /// What callers of one protocol are given sealed of another; absent as [`Snapshot::pepper`].
    pub(crate) fn sealing_key(&self) -> Option<SealingKey> {
        self.sealing_key.clone()
    }

    /// What the ids of stored objects are tagged with; absent as [`Snapshot::pepper`].
    pub(crate) fn tag_key(&self) -> Option<TagKey> {
        self.tag_key.clone()
    }

    /// What the keys of answers that are kept are made with; absent as [`Snapshot::pepper`].
    pub(crate) fn cache_key(&self) -> Option<CacheKey> {
        self.cache_key.clone()
    }

    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Owners of access keys of whom there is something to know.
    pub(crate) fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.iter()
    }

    /// In the order of their ids.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }
}

/// Holds the snapshot in force.
#[derive(Debug)]
pub struct Snapshots {
    current: ArcSwap<Snapshot>,
    /// How many were put in force; 0 = none yet.
    applied: Sender<u64>,
    /// What every snapshot's rosters share.
    health: Arc<Health>,
    /// The counters that outlive each snapshot.
    registry: Arc<Registry>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::new()
    }
}

impl Snapshots {
    /// With an empty snapshot, which knows no access key and is not ready.
    pub fn new() -> Self {
        Self { current: ArcSwap::default(), applied: Sender::new(0), health: Arc::default(), registry: Arc::default() }
    }

    /// The health of the keys, which outlives each snapshot.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The snapshot in force, for the length of a request. Wait-free; keep the guard on the stack, and use
    /// [`Snapshots::load_full`] for what is stored.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The counters of what is limited, and by how many proxies limits are divided.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Whether there is a snapshot.
    pub fn is_ready(&self) -> bool {
        *self.applied.borrow() > 0
    }

    /// Returns once there is a snapshot.
    pub async fn wait_ready(&self) {
        let mut applied = self.applied.subscribe();
        // The sender is in `self`, so it cannot be gone.
        let _ = applied.wait_for(|applied| *applied > 0).await;
    }

    /// Changes with every snapshot that comes in force.
    pub fn subscribe(&self) -> Receiver<u64> {
        self.applied.subscribe()
    }

    /// Puts a snapshot in force and returns the one before.
    pub fn replace(&self, next: Arc<Snapshot>) -> Arc<Snapshot> {
        let previous = self.current.swap(next);
        self.applied.send_modify(|applied| *applied += 1);
        previous
    }
}

/// A MAC is evenly distributed already and cannot be chosen by a caller, who does not know the pepper.
#[derive(Debug, Default)]
struct MacHasher(u64);

impl Hasher for MacHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that a slice's `Hash` puts before its bytes.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
