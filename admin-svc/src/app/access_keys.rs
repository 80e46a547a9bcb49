//! Access keys. Their secret is shown once, when it is made; the database has its MAC.
//!
//! A member sees and changes only their own; another's is not found rather than forbidden.

use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};
use tollgate_shared::{
    access_key,
    clock::UnixMicros,
    ids::{AccessKeyId, UserId},
    secret::Secret,
};

use super::{
    App, AppError, Authorised, Caller, Created, Once, Precondition,
    audit::{Change, Record},
    caller::{ManageAccessKeys, ReadConfiguration},
    creation::Begun,
};
use crate::{
    domain::{
        access_key::{AccessKey, AccessKeySpec, AccessKeyStatus, NewAccessKey, PreviousSecret},
        change::ResourceKind,
        page::{Page, PageRequest},
        patch::Patch,
        stamp::Stamp,
        timestamp::Timestamp,
        user::Role,
        validation::Invalid,
    },
    store::{
        AnyConnection, WriteTx,
        access_keys::{self, AccessKeyFilter},
        services, users,
    },
};

const KIND: ResourceKind = ResourceKind::AccessKey;
const NOT_FOUND: AppError = AppError::NotFound("access key");
const EXPIRED: AppError = AppError::Conflict("The access key has expired.");
const OWNER_DISABLED: AppError = AppError::Conflict("The user whom the access key belongs to is disabled.");
const REVOKED: AppError = AppError::Conflict("The access key is revoked.");
/// `tg_` and 8 characters of 43.
const PREFIX_CHARACTERS: usize = 11;
const LONGEST_OVERLAP_SECONDS: u32 = 30 * 24 * 60 * 60;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The body of a rotation.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAccessKey {
    /// How long the present secret is still accepted; at most 30 days. 0 or absent = it is refused at once.
    #[serde(default)]
    pub overlap_seconds: u32,
}

/// An access key with its secret: the only time that it is shown.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AccessKeyWithSecret {
    #[serde(flatten)]
    pub access_key: AccessKey,
    pub secret: String,
}

impl App {
    pub async fn access_keys(
        &self,
        caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
        mut filter: AccessKeyFilter,
    ) -> Result<Page<AccessKey>, AppError> {
        if caller.user.spec.role == Role::Member {
            if filter.user_id.is_some_and(|id| id != caller.user.id) {
                return Ok(Page { items: Vec::new(), next: None });
            }
            filter.user_id = Some(caller.user.id);
        }
        Ok(access_keys::page(&mut *self.store().reader().await?, request, &filter).await?)
    }

    pub async fn access_key(
        &self,
        caller: &Authorised<ReadConfiguration>,
        id: AccessKeyId,
    ) -> Result<AccessKey, AppError> {
        find(&mut *self.store().reader().await?, caller, id).await
    }

    /// Answers an [`AccessKeyWithSecret`].
    pub async fn create_access_key(
        &self,
        caller: &Authorised<ManageAccessKeys>,
        once: &Once,
        new: NewAccessKey,
    ) -> Result<Created, AppError> {
        let (service_id, owner, spec) = new.into_parts();
        let spec = spec.validated()?;
        self.ensure_comparable(None, spec.budget.as_ref())?;
        self.ensure_future(&spec)?;
        let user_id = owner.unwrap_or(caller.user.id);
        if user_id != caller.user.id && caller.user.spec.role == Role::Member {
            return Err(AppError::Forbidden("A member makes access keys for themselves only."));
        }
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        if services::by_id(&mut creation.tx, service_id).await?.is_none() {
            return Err(Invalid::field("service_id", "there is no such service").into());
        }
        ensure_owner(&mut creation.tx, user_id).await?;
        let secret = access_key::generate(&SystemRandom::new())?;
        let key = AccessKey {
            id: AccessKeyId::generate(),
            service_id,
            user_id,
            spec,
            prefix: prefix_of(&secret),
            status: AccessKeyStatus::Active,
            stamp: Stamp::first(self.now()),
            mac: self.0.pepper.mac(secret.expose()),
            previous: None,
        };
        access_keys::insert(&mut creation.tx, &key).await?;
        self.record(&mut creation.tx, &caller.source, KIND, &key.id, Change::Create(&key)).await?;
        creation.finish(&AccessKeyWithSecret { access_key: key, secret: secret.expose().to_owned() }).await
    }

    pub async fn update_access_key(
        &self,
        caller: &Authorised<ManageAccessKeys>,
        id: AccessKeyId,
        patch: Patch,
        precondition: Precondition,
    ) -> Result<AccessKey, AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = find_active(&mut tx, caller, id, precondition).await?;
        let spec = patch.apply::<AccessKeySpec>(&before.spec)?.validated()?;
        if spec == before.spec {
            return Ok(before);
        }
        self.ensure_comparable(before.spec.budget.as_ref(), spec.budget.as_ref())?;
        if spec.expires_at != before.spec.expires_at {
            self.ensure_future(&spec)?;
        }
        let after = AccessKey { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        access_keys::update(&mut tx, &after).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Answers an [`AccessKeyWithSecret`].
    pub async fn rotate_access_key(
        &self,
        caller: &Authorised<ManageAccessKeys>,
        id: AccessKeyId,
        rotate: RotateAccessKey,
        once: &Once,
        precondition: Precondition,
    ) -> Result<Created, AppError> {
        if rotate.overlap_seconds > LONGEST_OVERLAP_SECONDS {
            return Err(Invalid::field("overlap_seconds", "must not be above 2592000 (30 days)").into());
        }
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        let before = find_active(&mut creation.tx, caller, id, precondition).await?;
        let secret = access_key::generate(&SystemRandom::new())?;
        let now = self.now();
        let until = Timestamp::from_micros(now + i64::from(rotate.overlap_seconds) * MICROS_PER_SECOND);
        let after = AccessKey {
            prefix: prefix_of(&secret),
            mac: self.0.pepper.mac(secret.expose()),
            previous: (rotate.overlap_seconds > 0).then_some(PreviousSecret { mac: before.mac, until }),
            stamp: before.stamp.next(now),
            ..before.clone()
        };
        access_keys::update(&mut creation.tx, &after).await?;
        creation.tx.record_change(KIND, &id.to_string(), false).await?;
        let record = Record::new("access_key.rotate", KIND.as_str(), &id).before(&before)?.after(&after)?;
        self.audit(&mut creation.tx, &caller.source, record).await?;
        creation.finish(&AccessKeyWithSecret { access_key: after, secret: secret.expose().to_owned() }).await
    }

    /// Proxies refuse it from now on. The row stays, so that logs can name it. Revoking twice changes nothing.
    pub async fn revoke_access_key(
        &self,
        caller: &Authorised<ManageAccessKeys>,
        id: AccessKeyId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = find(&mut tx, caller, id).await?;
        precondition.check(before.stamp)?;
        if before.status == AccessKeyStatus::Revoked {
            return Ok(());
        }
        let after = AccessKey {
            status: AccessKeyStatus::Revoked,
            previous: None,
            stamp: before.stamp.next(self.now()),
            ..before.clone()
        };
        access_keys::update(&mut tx, &after).await?;
        // To a proxy a revoked key is one that does not exist: deletes apply even when an update is refused.
        tx.record_change(KIND, &id.to_string(), true).await?;
        let record = Record::new("access_key.revoke", KIND.as_str(), &id).before(&before)?.after(&after)?;
        self.audit(&mut tx, &caller.source, record).await?;
        Ok(tx.commit().await?)
    }

    fn ensure_future(&self, spec: &AccessKeySpec) -> Result<(), AppError> {
        if spec.expires_at.is_some_and(|time| time.micros() <= self.now()) {
            return Err(Invalid::field("expires_at", "must be in the future").into());
        }
        Ok(())
    }
}

async fn find(connection: &mut AnyConnection, caller: &Caller, id: AccessKeyId) -> Result<AccessKey, AppError> {
    let visible = |key: &AccessKey| caller.user.spec.role != Role::Member || key.user_id == caller.user.id;
    access_keys::by_id(connection, id).await?.filter(visible).ok_or(NOT_FOUND)
}

async fn find_active(
    tx: &mut WriteTx,
    caller: &Caller,
    id: AccessKeyId,
    precondition: Precondition,
) -> Result<AccessKey, AppError> {
    let key = find(tx, caller, id).await?;
    precondition.check(key.stamp)?;
    if key.status == AccessKeyStatus::Revoked { Err(REVOKED) } else { Ok(key) }
}

/// One that callers may use at present; its owner and whoever manages all keys may see it.
pub(super) async fn find_usable(
    tx: &mut WriteTx,
    caller: &Caller,
    id: AccessKeyId,
    now: UnixMicros,
) -> Result<AccessKey, AppError> {
    let key = find(tx, caller, id).await?;
    if key.status == AccessKeyStatus::Revoked {
        return Err(REVOKED);
    }
    if key.spec.expires_at.is_some_and(|at| at.micros() <= now) {
        return Err(EXPIRED);
    }
    if is_active(tx, key.user_id).await? { Ok(key) } else { Err(OWNER_DISABLED) }
}

async fn ensure_owner(connection: &mut AnyConnection, id: UserId) -> Result<(), AppError> {
    if is_active(connection, id).await? {
        return Ok(());
    }
    Err(Invalid::field("user_id", "there is no such active user").into())
}

async fn is_active(connection: &mut AnyConnection, id: UserId) -> Result<bool, AppError> {
    let user = users::by_id(connection, id).await?;
    Ok(user.is_some_and(|user| user.spec.status.is_active()))
}

fn prefix_of(secret: &Secret) -> String {
    secret.expose().chars().take(PREFIX_CHARACTERS).collect()
}
