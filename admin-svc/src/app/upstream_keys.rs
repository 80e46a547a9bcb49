//! Upstream keys: the secret is sealed before it reaches the store, and noticed when it is there already.

mod import;
mod test;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use serde_json::Value;
use tollgate_shared::{
    ids::{KeyPoolId, UpstreamKeyId},
    secret::Secret,
};

use super::{
    App, AppError, Authorised, Created, Once, Precondition,
    audit::Change,
    caller::{ManageConfiguration, ReadConfiguration},
    creation::Begun,
};
use crate::{
    domain::{
        change::ResourceKind,
        page::{Page, PageRequest},
        patch::Patch,
        stamp::Stamp,
        upstream_key::{NewUpstreamKey, UpstreamKey, UpstreamKeySpec, validated_secret},
        validation::Invalid,
    },
    store::{AnyConnection, WriteTx, key_pools, upstream_keys},
};

pub use import::{ImportOutcome, ImportReport, ImportResult, ImportUpstreamKeys};
pub use test::KeyTest;

const KIND: ResourceKind = ResourceKind::UpstreamKey;
const NOT_FOUND: AppError = AppError::NotFound("upstream key");

impl App {
    /// `pool`: only this pool's keys.
    pub async fn upstream_keys(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
        pool: Option<KeyPoolId>,
    ) -> Result<Page<UpstreamKey>, AppError> {
        Ok(upstream_keys::page(&mut *self.store().reader().await?, request, pool).await?)
    }

    pub async fn upstream_key(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        id: UpstreamKeyId,
    ) -> Result<UpstreamKey, AppError> {
        upstream_keys::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_upstream_key(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        new: NewUpstreamKey,
    ) -> Result<Created, AppError> {
        let (spec, secret) = new.into_parts();
        let spec = spec.validated()?;
        let secret = validated_secret(&secret)?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        let key = self.insert_upstream_key(&mut creation.tx, caller, spec, &secret).await?;
        creation.finish(&key).await
    }

    /// A patch may bring a new `secret`.
    pub async fn update_upstream_key(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: UpstreamKeyId,
        mut patch: Patch,
        precondition: Precondition,
    ) -> Result<UpstreamKey, AppError> {
        let secret = patch.take("secret").map(secret_from).transpose()?;
        let mut tx = self.store().begin_write().await?;
        let before = upstream_keys::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let spec = patch.apply::<UpstreamKeySpec>(&before.spec)?.validated()?;
        if spec == before.spec && secret.is_none() {
            return Ok(before);
        }
        ensure_pool(&mut tx, spec.pool_id).await?;
        let mut after = UpstreamKey { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        if let Some(secret) = &secret {
            self.put_secret(&mut after, secret)?;
        }
        ensure_new_in_pool(&mut tx, &after).await?;
        upstream_keys::update(&mut tx, &after).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    pub async fn delete_upstream_key(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: UpstreamKeyId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = upstream_keys::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        upstream_keys::delete(&mut tx, id).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Delete(&before)).await?;
        Ok(tx.commit().await?)
    }

    /// Inserts, audits and notes the change; the caller of this commits.
    async fn insert_upstream_key(
        &self,
        tx: &mut WriteTx,
        caller: &Authorised<ManageConfiguration>,
        spec: UpstreamKeySpec,
        secret: &Secret,
    ) -> Result<UpstreamKey, AppError> {
        ensure_pool(tx, spec.pool_id).await?;
        let mut key = UpstreamKey {
            id: UpstreamKeyId::generate(),
            spec,
            fingerprint: String::new(),
            stamp: Stamp::first(self.now()),
            sealed_secret: String::new(),
            secret_digest: String::new(),
        };
        self.put_secret(&mut key, secret)?;
        ensure_new_in_pool(tx, &key).await?;
        upstream_keys::insert(tx, &key).await?;
        self.record(tx, &caller.source, KIND, &key.id, Change::Create(&key)).await?;
        Ok(key)
    }

    fn put_secret(&self, key: &mut UpstreamKey, secret: &Secret) -> Result<(), AppError> {
        let id = key.id.to_string();
        let bytes = secret.expose().as_bytes();
        key.sealed_secret = self.keyring().seal(UpstreamKey::secret_cell(&id), key.stamp.version, bytes)?;
        key.secret_digest = self.secret_digest(secret);
        key.fingerprint = secret.fingerprint();
        Ok(())
    }

    /// Keyed, so that the database alone does not let anyone try secrets out.
    fn secret_digest(&self, secret: &Secret) -> String {
        BASE64.encode(hmac::sign(&self.0.digest_key, secret.expose().as_bytes()))
    }
}

fn secret_from(value: Value) -> Result<Secret, AppError> {
    match value {
        Value::String(text) => Ok(validated_secret(&Secret::new(text))?),
        _ => Err(Invalid::field("secret", "must be a string").into()),
    }
}

async fn ensure_pool(connection: &mut AnyConnection, id: KeyPoolId) -> Result<(), AppError> {
    if key_pools::by_id(connection, id).await?.is_none() {
        return Err(Invalid::field("pool_id", "there is no such key pool").into());
    }
    Ok(())
}

async fn ensure_new_in_pool(connection: &mut AnyConnection, key: &UpstreamKey) -> Result<(), AppError> {
    let same = upstream_keys::by_digest(connection, key.spec.pool_id, &key.secret_digest).await?;
    if same.is_some_and(|same| same.id != key.id) {
        return Err(AppError::Taken { field: "secret".to_owned() });
    }
    Ok(())
}
