//! What the proxy holds of the control plane's resources, and how a change gets into it.
//!
//! Resources are held one by one, each in its last good version, together with its encoded form for the disk. A
//! resource that cannot be read is refused alone: its last good version stays, and the refusal is remembered until
//! the resource is sent anew or deleted. Deletes always apply, and so does switching something off: a resource that
//! is sent as disabled but cannot be read is dropped. Whether what a resource refers to exists is decided when a
//! [`Snapshot`](super::Snapshot) is built, because that may change without the resource.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    str::FromStr,
    sync::Arc,
};

use prost::{Message, bytes::Bytes};
use tollgate_proto as proto;
use tollgate_shared::{
    access_key::AccessKeyMac,
    ids::{AccessKeyId, KeyPoolId, PriceId, ProviderId, ServiceId, UpstreamKeyId, UserId},
};

use super::{
    AccessKey, Pool, Provider, Service, UpstreamKey, User,
    convert::{AccessKeySpec, FieldError, PoolSpec, RouteSpec, ServiceSpec, SettingsSpec, UpstreamKeySpec},
    prices::PriceSpec,
};

use crate::limits::Registry;

mod build;

/// The id of the one `Settings`.
const SETTINGS_ID: &str = "settings";
/// How much of a text that should be an id is repeated back.
const MAX_ID_CHARACTERS: usize = 64;

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Unknown,
    Settings,
    Provider,
    KeyPool,
    UpstreamKey,
    Service,
    AccessKey,
    User,
    Price,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "resource",
            Self::Settings => "settings",
            Self::Provider => "provider",
            Self::KeyPool => "key_pool",
            Self::UpstreamKey => "upstream_key",
            Self::Service => "service",
            Self::AccessKey => "access_key",
            Self::User => "user",
            Self::Price => "price",
        })
    }
}

/// A resource that is not in force as the control plane sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub kind: Kind,
    /// As it was sent.
    pub id: String,
    pub error: FieldError,
}

/// Everything that the proxy holds, at one revision of one epoch. What it holds cannot be printed: there are secrets
/// in the encoded forms.
#[derive(Default)]
pub(super) struct Holdings {
    pub epoch: String,
    pub revision: u64,
    settings: Option<(SettingsSpec, Box<[u8]>)>,
    providers: BTreeMap<ProviderId, HeldProvider>,
    pools: BTreeMap<KeyPoolId, HeldPool>,
    upstream_keys: BTreeMap<UpstreamKeyId, HeldUpstreamKey>,
    services: BTreeMap<ServiceId, HeldService>,
    users: BTreeMap<UserId, HeldUser>,
    access_keys: BTreeMap<AccessKeyId, HeldAccessKey>,
    /// Where built parts find their counters again.
    registry: Arc<Registry>,
    prices: BTreeMap<PriceId, HeldPrice>,
    refused: BTreeMap<(Kind, String), FieldError>,
}

impl fmt::Debug for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holdings")
            .field("epoch", &self.epoch)
            .field("revision", &self.revision)
            .field("access_keys", &self.access_keys.len())
            .finish_non_exhaustive()
    }
}

/// A resource in its last good version. The parts of the last snapshot are kept to be shared with the next.
trait Held: Sized {
    type Spec;
    fn new(spec: Self::Spec, encoded: Box<[u8]>) -> Self;
    fn encoded(&self) -> &[u8];
    fn replace(&mut self, spec: Self::Spec, encoded: Box<[u8]>);
}

struct HeldProvider {
    encoded: Box<[u8]>,
    provider: Arc<Provider>,
}

struct HeldUser {
    encoded: Box<[u8]>,
    /// Its counters are there once a snapshot was built.
    user: Arc<User>,
}

struct HeldPrice {
    encoded: Box<[u8]>,
    spec: PriceSpec,
}

struct HeldPool {
    encoded: Box<[u8]>,
    spec: PoolSpec,
    built: Option<Arc<Pool>>,
}

struct HeldUpstreamKey {
    encoded: Box<[u8]>,
    spec: UpstreamKeySpec,
    built: Option<Arc<UpstreamKey>>,
}

struct HeldService {
    encoded: Box<[u8]>,
    spec: ServiceSpec,
    /// Routes that were in force before, and the version that they come from, until it is known whether those of
    /// `spec` lead anywhere. Only routes: a new version's limits, lists and state are in force whatever its routes do.
    last_good: Option<(Vec<RouteSpec>, Box<[u8]>)>,
    built: Option<Arc<Service>>,
}

/// There are many of them, so each is held in one form only: as sent until its service is known, then as served.
struct HeldAccessKey {
    encoded: Box<[u8]>,
    service_id: ServiceId,
    mac: AccessKeyMac,
    previous_mac: Option<Box<AccessKeyMac>>,
    state: AccessKeyState,
}

enum AccessKeyState {
    Unresolved(Box<AccessKeySpec>),
    Resolved(Arc<AccessKey>),
}

impl Holdings {
    /// `registry`: where the counters of what is limited are found.
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, ..Self::default() }
    }

    /// Takes in a whole snapshot: what is not in it is deleted, what in it cannot be read keeps its last good version.
    pub(super) fn replace_all(&mut self, epoch: String, revision: u64, resources: impl IntoIterator<Item = Bytes>) {
        let registry = Arc::clone(&self.registry);
        let mut old = std::mem::replace(self, Self::new(registry));
        (self.epoch, self.revision) = (epoch, revision);
        for encoded in resources {
            match proto::Resource::decode(encoded.clone()) {
                Ok(resource) => self.upsert(resource, &encoded, Some(&mut old)),
                Err(_) => self.refuse(Kind::Unknown, "", FieldError::new("resource", "cannot be decoded")),
            }
        }
    }

    /// Takes in what changed up to `revision`.
    pub(super) fn change(
        &mut self,
        revision: u64,
        upserts: Vec<proto::Resource>,
        deletes: impl IntoIterator<Item = proto::ResourceRef>,
    ) {
        self.revision = revision;
        for resource in upserts {
            let encoded = resource.encode_to_vec();
            self.upsert(resource, &encoded, None);
        }
        for reference in deletes {
            self.delete(&reference);
        }
    }

    /// The encoded form of everything, such that [`Holdings::replace_all`] with it leads to the same.
    pub(super) fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let services = self.services.values().flat_map(|held| {
            let last_good = held.last_good.as_ref().map(|(_, encoded)| &**encoded);
            last_good.into_iter().chain([held.encoded()])
        });
        let settings = self.settings.as_ref().map(|(_, encoded)| &**encoded);
        settings
            .into_iter()
            .chain(self.providers.values().map(Held::encoded))
            .chain(self.pools.values().map(Held::encoded))
            .chain(self.upstream_keys.values().map(Held::encoded))
            .chain(services)
            .chain(self.users.values().map(Held::encoded))
            .chain(self.access_keys.values().map(Held::encoded))
            .chain(self.prices.values().map(Held::encoded))
    }

    fn upsert(&mut self, resource: proto::Resource, encoded: &[u8], old: Option<&mut Self>) {
        use proto::resource::Resource;
        let Some(resource) = resource.resource else {
            let error = FieldError::new("resource", "of a kind that this proxy does not know");
            return self.refuse(Kind::Unknown, "", error);
        };
        let (kind, id, result) = match resource {
            Resource::Settings(message) => {
                (Kind::Settings, SETTINGS_ID.to_owned(), self.upsert_settings(message, encoded, old))
            }
            Resource::Provider(message) => {
                let id = message.id.clone();
                let old = old.map(|old| &mut old.providers);
                (Kind::Provider, id.clone(), upsert(&mut self.providers, old, &id, true, encoded, message))
            }
            Resource::KeyPool(message) => {
                let id = message.id.clone();
                let old = old.map(|old| &mut old.pools);
                (Kind::KeyPool, id.clone(), upsert(&mut self.pools, old, &id, true, encoded, message))
            }
            Resource::UpstreamKey(message) => {
                let (id, enabled) = (message.id.clone(), message.enabled);
                let old = old.map(|old| &mut old.upstream_keys);
                (Kind::UpstreamKey, id.clone(), upsert(&mut self.upstream_keys, old, &id, enabled, encoded, message))
            }
            Resource::Service(message) => {
                let (id, enabled) = (message.id.clone(), message.enabled);
                let old = old.map(|old| &mut old.services);
                (Kind::Service, id.clone(), upsert(&mut self.services, old, &id, enabled, encoded, message))
            }
            Resource::User(message) => {
                let id = message.id.clone();
                let old = old.map(|old| &mut old.users);
                (Kind::User, id.clone(), upsert(&mut self.users, old, &id, true, encoded, message))
            }
            Resource::AccessKey(message) => {
                let (id, enabled) = (message.id.clone(), message.enabled);
                let old = old.map(|old| &mut old.access_keys);
                (Kind::AccessKey, id.clone(), upsert(&mut self.access_keys, old, &id, enabled, encoded, message))
            }
            Resource::Price(message) => {
                let id = message.id.clone();
                let old = old.map(|old| &mut old.prices);
                (Kind::Price, id.clone(), upsert(&mut self.prices, old, &id, true, encoded, message))
            }
        };
        match result {
            Ok(()) => drop(self.refused.remove(&(kind, shown_id(&id)))),
            Err(error) => self.refuse(kind, &id, error),
        }
    }

    fn upsert_settings(
        &mut self,
        message: proto::Settings,
        encoded: &[u8],
        old: Option<&mut Self>,
    ) -> Result<(), FieldError> {
        if let Some(old) = old {
            self.settings = old.settings.take();
        }
        self.settings = Some((message.try_into()?, encoded.into()));
        Ok(())
    }

    fn delete(&mut self, reference: &proto::ResourceRef) {
        let id = &reference.id;
        let (kind, known) = match reference.kind() {
            proto::ResourceKind::Unspecified => (Kind::Unknown, false),
            proto::ResourceKind::Settings => {
                self.settings = None;
                (Kind::Settings, true)
            }
            proto::ResourceKind::Provider => (Kind::Provider, remove(&mut self.providers, id)),
            proto::ResourceKind::KeyPool => (Kind::KeyPool, remove(&mut self.pools, id)),
            proto::ResourceKind::UpstreamKey => (Kind::UpstreamKey, remove(&mut self.upstream_keys, id)),
            proto::ResourceKind::Service => (Kind::Service, remove(&mut self.services, id)),
            proto::ResourceKind::User => (Kind::User, remove(&mut self.users, id)),
            proto::ResourceKind::AccessKey => (Kind::AccessKey, remove(&mut self.access_keys, id)),
            proto::ResourceKind::Price => (Kind::Price, remove(&mut self.prices, id)),
        };
        self.refused.remove(&(kind, shown_id(id)));
        if !known {
            self.refuse(kind, id, FieldError::new("id", "cannot be deleted: not a known kind, or not a UUID"));
        }
    }

    fn refuse(&mut self, kind: Kind, id: &str, error: FieldError) {
        self.refused.insert((kind, shown_id(id)), error);
    }
}

fn shown_id(id: &str) -> String {
    id.chars().take(MAX_ID_CHARACTERS).collect()
}

/// `old`: where a whole snapshot's resources find their last good versions.
fn upsert<Id, H, M>(
    held: &mut BTreeMap<Id, H>,
    old: Option<&mut BTreeMap<Id, H>>,
    id: &str,
    enabled: bool,
    encoded: &[u8],
    message: M,
) -> Result<(), FieldError>
where
    Id: Ord + Copy + FromStr,
    H: Held<Spec: TryFrom<M, Error = FieldError>>,
{
    let id: Id = id.parse().map_err(|_| FieldError::new("id", "not a UUID"))?;
    if let Some(last_good) = old.and_then(|old| old.remove(&id)) {
        held.insert(id, last_good);
    }
    if held.get(&id).is_some_and(|held| held.encoded() == encoded) {
        return Ok(());
    }
    match H::Spec::try_from(message) {
        Ok(spec) => {
            match held.entry(id) {
                Entry::Occupied(mut entry) => entry.get_mut().replace(spec, encoded.into()),
                Entry::Vacant(entry) => drop(entry.insert(H::new(spec, encoded.into()))),
            }
            Ok(())
        }
        Err(error) => {
            if !enabled {
                held.remove(&id);
            }
            Err(error)
        }
    }
}

/// Whether the id was one; that it was held is not asked, because a delete may come twice.
fn remove<Id: Ord + FromStr, H>(held: &mut BTreeMap<Id, H>, id: &str) -> bool {
    id.parse().map(|id| held.remove(&id)).is_ok()
}

impl Held for HeldProvider {
    type Spec = Provider;

    fn new(spec: Provider, encoded: Box<[u8]>) -> Self {
        Self { encoded, provider: Arc::new(spec) }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: Provider, encoded: Box<[u8]>) {
        *self = Self::new(spec, encoded);
    }
}

impl Held for HeldUser {
    type Spec = User;

    fn new(spec: User, encoded: Box<[u8]>) -> Self {
        Self { encoded, user: Arc::new(spec) }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: User, encoded: Box<[u8]>) {
        *self = Self::new(spec, encoded);
    }
}

impl Held for HeldPrice {
    type Spec = PriceSpec;

    fn new(spec: PriceSpec, encoded: Box<[u8]>) -> Self {
        Self { encoded, spec }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: PriceSpec, encoded: Box<[u8]>) {
        *self = Self::new(spec, encoded);
    }
}

impl Held for HeldPool {
    type Spec = PoolSpec;

    fn new(spec: PoolSpec, encoded: Box<[u8]>) -> Self {
        Self { encoded, spec, built: None }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: PoolSpec, encoded: Box<[u8]>) {
        (self.spec, self.encoded) = (spec, encoded);
    }
}

impl Held for HeldUpstreamKey {
    type Spec = UpstreamKeySpec;

    fn new(spec: UpstreamKeySpec, encoded: Box<[u8]>) -> Self {
        Self { encoded, spec, built: None }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: UpstreamKeySpec, encoded: Box<[u8]>) {
        (self.spec, self.encoded) = (spec, encoded);
    }
}

impl Held for HeldService {
    type Spec = ServiceSpec;

    fn new(spec: ServiceSpec, encoded: Box<[u8]>) -> Self {
        Self { encoded, spec, last_good: None, built: None }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: ServiceSpec, encoded: Box<[u8]>) {
        let previous = std::mem::replace(&mut self.spec, spec);
        let previous_encoded = std::mem::replace(&mut self.encoded, encoded);
        self.last_good.get_or_insert((previous.routes, previous_encoded));
    }
}

impl Held for HeldAccessKey {
    type Spec = AccessKeySpec;

    fn new(spec: AccessKeySpec, encoded: Box<[u8]>) -> Self {
        Self {
            encoded,
            service_id: spec.service_id,
            mac: spec.mac,
            previous_mac: spec.previous_mac.clone(),
            state: AccessKeyState::Unresolved(Box::new(spec)),
        }
    }

    fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    fn replace(&mut self, spec: AccessKeySpec, encoded: Box<[u8]>) {
        *self = Self::new(spec, encoded);
    }
}

#[cfg(test)]
mod tests;
