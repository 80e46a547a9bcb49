//! The use cases: who may do what, what must hold, which transaction and audit record go with it. No axum, no tonic.

mod access_key_tokens;
pub mod access_keys;
mod audit;
pub mod auth;
pub mod budgets;
pub mod caller;
mod creation;
mod error;
pub mod health;
mod key_pools;
mod open;
mod precondition;
mod prices;
mod provider_models;
mod providers;
pub mod proxies;
pub mod publish;
mod references;
mod rotate_master_key;
mod services;
mod throttle;
pub mod upstream_keys;
pub mod usage;
mod users;

use std::sync::Arc;

use tollgate_shared::{
    access_key::Pepper,
    address::AddressPolicy,
    clock::{Clock, UnixMicros},
    money::Currency,
    secret::Secret,
};

use crate::{
    crypto::{chain::AuditChain, envelope::Keyring, password::Passwords, token::AccessTokens},
    store::Store,
    upstream::UpstreamClient,
};

pub use access_key_tokens::{AccessKeyToken, NewAccessKeyToken};
pub use audit::AuditVerification;
pub use caller::{Authorised, Caller, Source};
pub use creation::{Created, Once};
pub use error::{AppError, InternalError};
pub use open::{AppOptions, OpenError};
pub use precondition::Precondition;
pub use rotate_master_key::{Rotation, rotate_master_key};

/// The control plane's state, cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    keyring: Keyring,
    passwords: Passwords,
    throttle: throttle::Throttle,
    access_tokens: AccessTokens,
    pepper: Pepper,
    audit_chain: AuditChain,
    /// Key of the digests by which the same upstream secret is noticed twice.
    digest_key: ring::hmac::Key,
    address_policy: AddressPolicy,
    upstream: UpstreamClient,
    health: Arc<health::Board>,
    currency: Currency,
    setup_token: Secret,
    registration_open: bool,
    secure_cookies: bool,
}

impl App {
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn address_policy(&self) -> &AddressPolicy {
        &self.0.address_policy
    }

    /// Whether cookies are marked `Secure`: clients reach the API over TLS.
    pub fn secure_cookies(&self) -> bool {
        self.0.secure_cookies
    }

    /// What all prices, costs and budgets are in.
    pub fn currency(&self) -> Currency {
        self.0.currency
    }

    /// The time by this state's clock.
    pub fn now(&self) -> UnixMicros {
        self.0.clock.now()
    }
}
