//! Puts everything that is sealed under another master key.
//!
//! Only data keys are wrapped anew, in one transaction: it happens for all or for none, and may be repeated. No other
//! process may run on the database meanwhile, because it would go on sealing under the old key.

use super::{OpenError, open::setting_cell};
use crate::{
    crypto::envelope::{Keyring, MasterKey},
    domain::upstream_key::UpstreamKey,
    store::{Store, idempotency_keys, sealed_settings, upstream_keys},
};

/// How much was wrapped anew; what had the new key already is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    pub settings: usize,
    pub upstream_keys: usize,
}

/// `database_url` as in [`super::AppOptions`].
pub async fn rotate_master_key(database_url: &str, from: MasterKey, to: MasterKey) -> Result<Rotation, OpenError> {
    let store = Store::connect(database_url).await?;
    let keyring = Keyring::rotating(to, from);
    let mut rotation = Rotation::default();
    let mut tx = store.begin_write().await?;
    for (name, sealed) in sealed_settings::all(&mut tx).await? {
        if let Some(sealed) = keyring.rewrap(setting_cell(&name), &sealed)? {
            sealed_settings::replace(&mut tx, &name, &sealed).await?;
            rotation.settings += 1;
        }
    }
    for key in upstream_keys::all(&mut tx).await? {
        let id = key.id.to_string();
        if let Some(sealed) = keyring.rewrap(UpstreamKey::secret_cell(&id), &key.sealed_secret)? {
            upstream_keys::replace_sealed_secret(&mut tx, key.id, &sealed).await?;
            rotation.upstream_keys += 1;
        }
    }
    // Answers that are kept for a day; a repetition after a rotation creates anew.
    idempotency_keys::delete_before(&mut tx, i64::MAX).await?;
    tx.commit().await?;
    store.close().await;
    Ok(rotation)
}
