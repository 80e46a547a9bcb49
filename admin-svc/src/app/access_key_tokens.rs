//! Short-lived tokens that stand for an access key, and the keys that they are signed with.
//!
//! Nothing is kept of a token. The signing key is read from its sealed setting whenever one is needed, so that a
//! rotation is in force in every replica at once. After a rotation the key before is still published, and still signs
//! until proxies have surely heard of the new one.

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use tollgate_shared::{
    access_token::{self, Claims},
    clock::UnixMicros,
    ids::AccessKeyId,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    App, AppError, Authorised, Created, Once, Source, access_keys::find_usable, audit::Record,
    caller::ManageAccessKeys, creation::Begun, open::setting_cell,
};
use crate::{
    crypto::{
        access_key_token::{PublicTokenKey, TokenSigner},
        envelope::{Keyring, SealError},
        random_bytes,
    },
    domain::{
        change::{ResourceKind, SETTINGS_ID},
        timestamp::Timestamp,
        validation::Violations,
    },
    store::{StoreError, sealed_settings},
};

pub(super) const CURRENT_KEY: &str = "access_key_token_key";
const PREVIOUS_KEY: &str = "access_key_token_key_previous";
/// A new key signs after that: far longer than a change takes to every connected proxy.
const SETTLED_AFTER_MICROS: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The body of the call that makes a token.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccessKeyToken {
    /// How long it is valid; 1 to 3600, absent = 600. Never longer than the access key.
    #[serde(default)]
    pub expires_in_seconds: Option<u32>,
    /// The models that it may be used for, as names or patterns with `*`, besides what the access key itself says;
    /// absent or, as in an access key, empty = whatever the access key may call.
    #[serde(default)]
    pub models: Option<Vec<String>>,
}

/// A token: the only time that it is shown.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AccessKeyToken {
    /// Goes wherever the access key would.
    pub token: String,
    pub expires_at: Timestamp,
}

impl App {
    /// Answers an [`AccessKeyToken`].
    pub async fn create_access_key_token(
        &self,
        caller: &Authorised<ManageAccessKeys>,
        id: AccessKeyId,
        new: NewAccessKeyToken,
        once: &Once,
    ) -> Result<Created, AppError> {
        let NewAccessKeyToken { expires_in_seconds, models } = new;
        // Proxies take an empty list in a token for one that allows nothing.
        let models = models.filter(|models| !models.is_empty());
        let seconds = expires_in_seconds.unwrap_or(access_token::DEFAULT_SECONDS);
        let mut violations = Violations::default();
        let fits = (1..=access_token::LONGEST_SECONDS).contains(&seconds);
        violations.require(fits, "expires_in_seconds", "must be from 1 to 3600");
        if let Some(models) = &models {
            violations.models("models", models);
        }
        violations.finish()?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        let key = find_usable(&mut creation.tx, caller, id, self.now()).await?;
        let now = self.now() / MICROS_PER_SECOND;
        let key_end = key.spec.expires_at.map_or(i64::MAX, |at| at.micros() / MICROS_PER_SECOND);
        let exp = (now + i64::from(seconds)).min(key_end);
        let claims = Claims {
            iss: access_token::ISSUER.to_owned(),
            aud: access_token::AUDIENCE.to_owned(),
            sub: id,
            iat: now,
            nbf: now,
            exp,
            jti: Uuid::now_v7().to_string(),
            models,
        };
        let seed = signing_seed(&mut creation.tx, self.keyring(), self.now()).await?;
        let token = TokenSigner::new(&seed)?.sign(&claims)?;
        let record = Record::new("access_key.create_token", ResourceKind::AccessKey.as_str(), &id).after(&claims)?;
        self.audit(&mut creation.tx, &caller.source, record).await?;
        let expires_at = Timestamp::from_micros(exp * MICROS_PER_SECOND);
        creation.finish(&AccessKeyToken { token: token.expose().to_owned(), expires_at }).await
    }

    /// Makes a new signing key. The present one becomes the previous one, and the one before that is forgotten: its
    /// tokens are refused from now on. Returns the new key's id.
    pub async fn rotate_token_key(&self) -> Result<String, AppError> {
        let mut tx = self.store().begin_write().await?;
        let (_, present) = stored(&mut tx, CURRENT_KEY).await?.ok_or(SealError::Malformed)?;
        let present = self.keyring().unseal(setting_cell(CURRENT_KEY), &present)?;
        let next = Zeroizing::new(random_bytes::<32>()?);
        let public = PublicTokenKey::of_seed(next.as_ref())?;
        for (name, seed) in [(PREVIOUS_KEY, &present[..]), (CURRENT_KEY, next.as_ref())] {
            let sealed = self.keyring().seal(setting_cell(name), 1, seed)?;
            sealed_settings::put(&mut tx, name, &sealed, self.now()).await?;
        }
        tx.record_change(ResourceKind::Settings, SETTINGS_ID, false).await?;
        let record = Record::new("settings.rotate_token_key", ResourceKind::Settings.as_str(), &SETTINGS_ID);
        self.audit(&mut tx, &Source::system(), record).await?;
        tx.commit().await?;
        Ok(public.id)
    }
}

/// What proxies accept tokens of.
pub(super) async fn public_keys(
    connection: &mut AnyConnection,
    keyring: &Keyring,
) -> Result<Vec<PublicTokenKey>, StoreError> {
    let mut keys = Vec::with_capacity(2);
    for name in [CURRENT_KEY, PREVIOUS_KEY] {
        let Some((_, sealed)) = stored(connection, name).await? else { continue };
        let opened = keyring.unseal(setting_cell(name), &sealed).map(|seed| PublicTokenKey::of_seed(&seed));
        if let Ok(Ok(key)) = opened {
            keys.push(key);
        } else {
            // The others still serve.
            tracing::error!(setting = name, "a token key does not open; proxies do not get it");
        }
    }
    Ok(keys)
}

async fn signing_seed(
    connection: &mut AnyConnection,
    keyring: &Keyring,
    now: UnixMicros,
) -> Result<Zeroizing<Vec<u8>>, AppError> {
    let (made_at, current) = stored(connection, CURRENT_KEY).await?.ok_or(SealError::Malformed)?;
    let previous = if now - made_at < SETTLED_AFTER_MICROS { stored(connection, PREVIOUS_KEY).await? } else { None };
    let (name, sealed) = previous.map_or((CURRENT_KEY, current), |(_, previous)| (PREVIOUS_KEY, previous));
    Ok(keyring.unseal(setting_cell(name), &sealed)?)
}

/// When it was made, and its sealed form.
async fn stored(connection: &mut AnyConnection, name: &str) -> Result<Option<(UnixMicros, String)>, StoreError> {
    sealed_settings::find_made(connection, name).await
}
