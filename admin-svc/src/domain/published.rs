//! The resources that proxies hold, with the secrets that they need in clear.
//!
//! Kept in memory only, and given only to the proxies' streams.

use std::fmt;

use tollgate_shared::{
    ids::UserId,
    limits::{Budget, Limits},
    secret::Secret,
};
use zeroize::Zeroizing;

use super::{
    access_key::AccessKey,
    change::{ResourceKind, SETTINGS_ID},
    key_pool::KeyPool,
    price::Price,
    provider::Provider,
    service::Service,
    status::Status,
    upstream_key::UpstreamKey,
    user::{User, UserSpec},
};
use crate::crypto::access_key_token::PublicTokenKey;

/// Which resource. Ordered by kind, so that what is referred to comes before what refers to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    pub kind: ResourceKind,
    pub id: String,
}

/// A resource as proxies need it.
#[derive(Clone, Debug)]
pub enum Resource {
    Settings(Settings),
    Provider(Provider),
    KeyPool(KeyPool),
    UpstreamKey { key: UpstreamKey, secret: Secret },
    Service(Service),
    User(Owner),
    AccessKey(AccessKey),
    Price(Price),
}

/// What proxies know of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: UserId,
    pub status: Status,
    pub limits: Limits,
    pub budget: Option<Budget>,
}

impl Owner {
    /// Absent when the user means nothing to proxies: one who is active and has neither limits nor a budget.
    pub fn of(user: &User) -> Option<Self> {
        let UserSpec { email: _, name: _, role: _, status, limits, budget } = &user.spec;
        let matters = !status.is_active() || *limits != Limits::default() || budget.is_some();
        matters.then(|| Self { id: user.id, status: *status, limits: limits.clone(), budget: budget.clone() })
    }
}

/// What all proxies share.
#[derive(Clone)]
pub struct Settings {
    /// Key of the HMAC under which access keys are looked up, 32 bytes.
    pub access_key_pepper: Zeroizing<Vec<u8>>,
    /// Under which tokens that stand for an access key are accepted.
    pub access_token_keys: Vec<PublicTokenKey>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}

impl Resource {
    pub fn key(&self) -> ResourceKey {
        let (kind, id) = match self {
            Self::Settings(_) => (ResourceKind::Settings, SETTINGS_ID.to_owned()),
            Self::Provider(provider) => (ResourceKind::Provider, provider.id.to_string()),
            Self::KeyPool(pool) => (ResourceKind::KeyPool, pool.id.to_string()),
            Self::UpstreamKey { key, .. } => (ResourceKind::UpstreamKey, key.id.to_string()),
            Self::Service(service) => (ResourceKind::Service, service.id.to_string()),
            Self::User(owner) => (ResourceKind::User, owner.id.to_string()),
            Self::AccessKey(key) => (ResourceKind::AccessKey, key.id.to_string()),
            Self::Price(price) => (ResourceKind::Price, price.id.to_string()),
        };
        ResourceKey { kind, id }
    }
}
