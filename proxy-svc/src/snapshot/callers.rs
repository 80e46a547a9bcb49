//! Who calls: access keys, their owners, and what both may spend.

use std::sync::Arc;

use ipnet::IpNet;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, UserId},
    limits::{LeaseMode, Limits, Period},
    money::{Currency, Money},
};

use super::Service;
use crate::{limits::Counted, route::pattern::Pattern};

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

/// Verifies tokens that stand for an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenKey {
    /// The tokens' `kid`.
    pub(crate) id: Box<str>,
    /// Ed25519.
    pub(crate) public_key: [u8; 32],
}
