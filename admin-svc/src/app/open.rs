//! Opens the control plane's state. A new database gets its keys here, sealed under the master key.

use std::sync::Arc;

use ring::hmac;
use tollgate_shared::{access_key::Pepper, address::AddressPolicy, clock::Clock, money::Currency, secret::Secret};
use zeroize::Zeroizing;

use super::{App, Inner, access_key_tokens, health::Board, throttle::Throttle};
use crate::{
    crypto::{
        NoRandomness,
        chain::AuditChain,
        envelope::{Cell, Keyring, MasterKey, SealError},
        password::{PasswordError, Passwords},
        random_bytes,
        token::{AccessTokens, TokenError},
    },
    domain::change::{ResourceKind, SETTINGS_ID},
    store::{AnyConnection, Store, StoreError, prices, sealed_settings},
    upstream::UpstreamClient,
};

/// What the state is opened with.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// `sqlite://path` or `postgres://…`.
    pub database_url: String,
    pub master_key: MasterKey,
    /// Lets the first administrator be made, once.
    pub setup_token: Secret,
    pub address_policy: AddressPolicy,
    pub clock: Clock,
    /// Whether anyone may register; off unless an operator wants it.
    pub registration_open: bool,
    /// Whether cookies are marked `Secure`: clients reach the API over TLS.
    pub secure_cookies: bool,
    /// What all prices, costs and budgets are in.
    pub currency: Currency,
}

/// Why the state could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("sealed setting `{name}`: {source}")]
    Sealed { name: &'static str, source: SealError },
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("currency: the sums in this database are in {fixed}, and cannot be in {configured}")]
    Currency { fixed: String, configured: Currency },
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The keys that a database gets when it is new.
#[derive(Clone, Copy)]
enum OwnKey {
    AccessKeyPepper,
    AccessToken,
    AuditChain,
    SecretDigest,
    /// Signs the tokens that stand for an access key.
    AccessKeyToken,
}

impl OwnKey {
    const ALL: [Self; 5] =
        [Self::AccessKeyPepper, Self::AccessToken, Self::AuditChain, Self::SecretDigest, Self::AccessKeyToken];

    const fn name(self) -> &'static str {
        match self {
            Self::AccessKeyPepper => "access_key_pepper",
            Self::AccessToken => "access_token_key",
            Self::AuditChain => "audit_chain_key",
            Self::SecretDigest => "secret_digest_key",
            Self::AccessKeyToken => access_key_tokens::CURRENT_KEY,
        }
    }

    fn cell(self) -> Cell<'static> {
        setting_cell(self.name())
    }
}

/// The cell that a sealed setting is for.
pub(super) fn setting_cell(name: &str) -> Cell<'_> {
    Cell { table: "sealed_settings", id: name, column: "sealed" }
}

impl App {
    /// Opens the database, migrates it, and unseals (on the first start: makes) the keys of this installation.
    pub async fn open(options: AppOptions) -> Result<Self, OpenError> {
        let store = Store::connect(&options.database_url).await?;
        let keyring = Keyring::new(options.master_key);
        create_missing_keys(&store, &keyring, &options.clock).await?;
        let mut reader = store.reader().await?;
        let pepper = unsealed(&mut reader, &keyring, OwnKey::AccessKeyPepper).await?;
        let access_token = unsealed(&mut reader, &keyring, OwnKey::AccessToken).await?;
        let audit_chain = unsealed(&mut reader, &keyring, OwnKey::AuditChain).await?;
        let secret_digest = unsealed(&mut reader, &keyring, OwnKey::SecretDigest).await?;
        let fixed = prices::fixed_currency(&mut reader).await?;
        if let Some(fixed) = fixed.filter(|fixed| fixed != options.currency.as_str()) {
            return Err(OpenError::Currency { fixed, configured: options.currency });
        }
        drop(reader);
        Ok(Self(Arc::new(Inner {
            store,
            health: Arc::new(Board::new(options.clock.clone())),
            clock: options.clock,
            keyring,
            passwords: Passwords::new()?,
            throttle: Throttle::default(),
            access_tokens: AccessTokens::new(&access_token)?,
            pepper: Pepper::new(&pepper),
            audit_chain: AuditChain::new(&audit_chain),
            digest_key: hmac::Key::new(hmac::HMAC_SHA256, &secret_digest),
            upstream: UpstreamClient::new(options.address_policy.clone())?,
            address_policy: options.address_policy,
            setup_token: options.setup_token,
            registration_open: options.registration_open,
            secure_cookies: options.secure_cookies,
            currency: options.currency,
        })))
    }

    /// The pepper in clear: what proxies need to look access keys up.
    pub async fn access_key_pepper(&self) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut reader = self.store().reader().await?;
        unsealed(&mut reader, self.keyring(), OwnKey::AccessKeyPepper).await
    }
}

async fn create_missing_keys(store: &Store, keyring: &Keyring, clock: &Clock) -> Result<(), OpenError> {
    let mut tx = store.begin_write().await?;
    let mut created = false;
    for key in OwnKey::ALL {
        if sealed_settings::find(&mut tx, key.name()).await?.is_some() {
            continue;
        }
        let value = Zeroizing::new(random_bytes::<32>()?);
        let sealed = keyring
            .seal(key.cell(), 1, value.as_ref())
            .map_err(|source| OpenError::Sealed { name: key.name(), source })?;
        sealed_settings::insert(&mut tx, key.name(), &sealed, clock.now()).await?;
        created = true;
    }
    if created {
        tx.record_change(ResourceKind::Settings, SETTINGS_ID, false).await?;
    }
    Ok(tx.commit().await?)
}

async fn unsealed(
    connection: &mut AnyConnection,
    keyring: &Keyring,
    key: OwnKey,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let name = key.name();
    let sealed = sealed_settings::find(connection, name).await?;
    let sealed = sealed.ok_or(OpenError::Sealed { name, source: SealError::Malformed })?;
    keyring.unseal(key.cell(), &sealed).map_err(|source| OpenError::Sealed { name, source })
}
