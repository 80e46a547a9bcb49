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
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use tokio::sync::watch::{Receiver, Sender};
use tollgate_dialect::Protocol;
use tollgate_shared::{
    access_key::{AccessKeyMac, Pepper},
    clock::UnixMicros,
    ids::{AccessKeyId, KeyPoolId, ProviderId, ServiceId, UpstreamKeyId, UserId},
    limits::{LeaseMode, Limits, Period, Timeouts},
    money::{Currency, Money},
};

use crate::{
    cache::CacheKey,
    health::Health,
    limits::{Counted, Registry},
    route::{Rosters, pattern::Pattern},
    stored::TagKey,
    translate::SealingKey,
};

mod apply;
mod convert;
mod fallback;
mod fingerprint;
#[cfg(test)]
pub(crate) mod fixture;
mod frame;
mod holdings;
pub mod identity;
mod prices;
pub mod store;
pub mod watch;

pub use fallback::{FallbackCondition, FallbackOn};
pub use fingerprint::Fingerprint;
pub(crate) use prices::Prices;

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

/// What a MAC leads to.
#[derive(Clone, Debug)]
pub struct AccessKeyEntry {
    pub key: Arc<AccessKey>,
    /// Which of the key's secrets has this MAC.
    pub secret: SecretGeneration,
}

/// A rotated key has two secrets for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretGeneration {
    Current,
    /// Accepted until [`AccessKey::previous_until`] only.
    Previous,
}

impl AccessKeyEntry {
    /// Whether the secret itself is still accepted; says nothing about the key's own expiry and state.
    pub fn secret_is_accepted_at(&self, now: UnixMicros) -> bool {
        self.secret == SecretGeneration::Current || now < self.key.previous_until
    }
}

/// What an application presents; belongs to one service and one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    pub id: AccessKeyId,
    pub service: Arc<Service>,
    pub user_id: UserId,
    pub name: Box<str>,
    pub expires_at: Option<UnixMicros>,
    /// Until when a previous secret is accepted; 0 when there is none.
    pub previous_until: UnixMicros,
    pub enabled: bool,
    pub limits: Limits,
    pub counted: Counted,
    /// The owner, where it is disabled or has limits or a budget; `user_id` names it in any case.
    pub user: Option<Arc<User>>,
    /// Empty = every model of the service.
    pub models: Arc<[Pattern]>,
    /// Empty = everyone.
    pub ip_allow: Arc<[IpNet]>,
    pub budget: Option<Budget>,
}

/// How much may be spent in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub amount: Money,
    pub currency: Currency,
    pub period: Period,
    /// Requests are refused when it is spent.
    pub hard: bool,
    pub lease: LeaseMode,
}

impl AccessKey {
    /// Whether the key itself allows a model; says nothing about its service's routes.
    pub fn permits_model(&self, name: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(name))
    }
}

/// An owner of access keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// None of the user's access keys is accepted otherwise.
    pub enabled: bool,
    /// All of the user's access keys together.
    pub limits: Limits,
    pub counted: Counted,
    /// All of the user's access keys together, over all services.
    pub budget: Option<Budget>,
}

/// What becomes of a request that its caller's limits do not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitsMode {
    Enforce,
    /// It is served and reported.
    Shadow,
}

/// How a service chooses among the keys that may serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    RoundRobin,
    Weighted,
    HealthBest,
}

/// What an application calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    pub name: Box<str>,
    pub slug: Box<str>,
    pub enabled: bool,
    pub strategy: Strategy,
    /// The first one that matches wins.
    pub routes: Vec<Route>,
    /// All attempts together, at least 1.
    pub max_attempts: u32,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub counted: Counted,
    pub limits_mode: LimitsMode,
    /// Response headers that are switched off, lower case.
    pub hidden_headers: Vec<HeaderName>,
    /// Empty = everyone.
    pub ip_allow: Vec<IpNet>,
    pub ip_deny: Vec<IpNet>,
    /// Absent = requests of one session may meet any key.
    pub affinity: Option<Affinity>,
    pub budget: Option<Budget>,
    /// Requests must be signed.
    pub require_signature: bool,
    /// Absent = answers are not kept.
    pub response_cache: Option<ResponseCache>,
}

/// What names the session of a request, whose requests go to the same key while it can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// The first one that a request has counts.
    pub by: Vec<AffinitySource>,
}

/// Where a session's name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AffinitySource {
    /// OpenAI's member of the body.
    PromptCacheKey,
    /// Anthropic's `metadata.user_id`.
    MetadataUserId,
    Header(HeaderName),
}

/// Verifies tokens that stand for an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenKey {
    /// The tokens' `kid`.
    pub(crate) id: Box<str>,
    /// Ed25519.
    pub(crate) public_key: [u8; 32],
}

/// Which answers a service keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCache {
    /// How old an answer may be, at least 1.
    pub ttl_seconds: u32,
    /// A longer answer is not kept.
    pub max_entry_bytes: usize,
    pub scope: CacheScope,
}

/// Who shares what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    AccessKey,
    /// All access keys of the service.
    Service,
}

/// Models, and where they are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub models: Vec<Pattern>,
    /// May be empty: what it pointed at is gone.
    pub targets: Vec<Target>,
    /// When another target may take over.
    pub fallback_on: FallbackOn,
    /// The targets' keys in the order in which they are tried.
    pub rosters: Arc<Rosters>,
    /// Of the targets: answers that others gave are not given again.
    pub fingerprint: Fingerprint,
}

impl Route {
    /// With the default conditions for another target. `previous`: of the service before, whose turns go on.
    pub fn new(models: Vec<Pattern>, targets: Vec<Target>, health: &Health, previous: Option<&Self>) -> Self {
        let rosters = Arc::new(Rosters::new(&targets, health, previous.map(|route| &*route.rosters)));
        let fingerprint = Fingerprint::of(&targets);
        Self { models, targets, fallback_on: FallbackOn::default(), rosters, fingerprint }
    }

    #[must_use]
    pub fn with_fallback(self, fallback_on: FallbackOn) -> Self {
        Self { fallback_on, ..self }
    }
}

/// A pool, and the model's name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pool: Arc<Pool>,
    /// Absent = the name that the caller asked for.
    pub model: Option<Box<str>>,
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    /// The limit on output tokens where the caller set none and the target's protocol demands one, at least 1;
    /// absent = the built-in default.
    pub default_max_tokens: Option<u32>,
}

/// Upstream keys of one provider that are scheduled together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub id: KeyPoolId,
    pub name: Box<str>,
    pub provider: Arc<Provider>,
    /// The enabled ones, by priority, then id. May be empty.
    pub keys: Vec<Arc<UpstreamKey>>,
}

/// One credential at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamKey {
    pub id: UpstreamKeyId,
    pub name: Box<str>,
    /// As the provider wants it (`Bearer …` or bare); marked sensitive, so that its `Debug` shows nothing.
    pub credential: HeaderValue,
    pub credential_header: HeaderName,
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    pub limits: Limits,
    /// Keys of the same one share the provider's rate limits.
    pub quota_group: Option<Box<str>>,
    pub counted: Counted,
}

/// Whose protocol an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    Openai,
    Anthropic,
    Gemini,
    OpenaiCompatible,
}

impl ProviderKind {
    /// Whether it offers the Responses API when nothing is said about it.
    pub const fn offers_responses(self) -> bool {
        matches!(self, Self::Openai)
    }

    /// What it speaks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Openai | Self::OpenaiCompatible => Protocol::OpenAi,
            Self::Anthropic => Protocol::Anthropic,
            Self::Gemini => Protocol::Gemini,
        }
    }
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub id: ProviderId,
    pub name: Box<str>,
    pub kind: ProviderKind,
    pub base: BaseUrl,
    pub timeouts: Timeouts,
    /// Whether it offers OpenAI's Responses API itself; never of a kind that speaks another protocol.
    pub responses_api: bool,
    /// What it listed when the control plane last asked; empty while that is not known.
    pub models: Arc<[Box<str>]>,
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    pub https: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: Box<str>,
    pub port: u16,
    /// For the `Host` header: with the port where it is not the scheme's own.
    pub authority: HeaderValue,
    /// Replaces the protocol's version prefix (`/v1`, `/v1beta`): begins with `/`, does not end with one.
    pub path_prefix: Option<Box<str>>,
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
