//! Users: there is always an active administrator, and a change of password or status ends the user's sessions.

use serde_json::Value;
use tollgate_shared::{ids::UserId, secret::Secret};

use super::{
    App, AppError, Authorised, Created, Once, Precondition, Source,
    audit::Record,
    caller::{ManageUsers, ReadUsers},
    creation::Begun,
};
use crate::{
    domain::{
        change::ResourceKind,
        page::{Page, PageRequest},
        patch::Patch,
        published::Owner,
        stamp::Stamp,
        user::{NewUser, Role, User, UserSpec, validated_password},
        validation::Invalid,
    },
    store::{
        StoreError, WriteTx,
        access_keys::{self, AccessKeyFilter},
        sessions, users,
    },
};

const NOT_FOUND: AppError = AppError::NotFound("user");

impl App {
    pub async fn users(&self, _caller: &Authorised<ReadUsers>, request: &PageRequest) -> Result<Page<User>, AppError> {
        Ok(users::page(&mut *self.store().reader().await?, request).await?)
    }

    pub async fn user(&self, _caller: &Authorised<ReadUsers>, id: UserId) -> Result<User, AppError> {
        users::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_user(
        &self,
        caller: &Authorised<ManageUsers>,
        once: &Once,
        new: NewUser,
    ) -> Result<Created, AppError> {
        let (spec, password) = new.into_parts();
        let spec = spec.validated()?;
        self.ensure_comparable(None, spec.budget.as_ref())?;
        validated_password(&password)?;
        let password_hash = self.0.passwords.hash(password).await?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        let user = self.insert_user(&mut creation.tx, &caller.source, spec, password_hash).await?;
        creation.finish(&user).await
    }

    pub async fn update_user(
        &self,
        caller: &Authorised<ManageUsers>,
        id: UserId,
        mut patch: Patch,
        precondition: Precondition,
    ) -> Result<User, AppError> {
        let new_hash = match patch.take("password") {
            Some(password) => Some(self.hash_of_new_password(password).await?),
            None => None,
        };
        let mut tx = self.store().begin_write().await?;
        let before = users::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let spec: UserSpec = patch.apply::<UserSpec>(&before.spec)?.validated()?;
        if spec == before.spec && new_hash.is_none() {
            return Ok(before);
        }
        self.ensure_comparable(before.spec.budget.as_ref(), spec.budget.as_ref())?;
        let stays_administrator = spec.role == Role::Admin && spec.status.is_active();
        if !stays_administrator {
            ensure_another_administrator(&mut tx, &before).await?;
        }
        let ends_sessions = new_hash.is_some() || !spec.status.is_active();
        let after = User {
            spec,
            stamp: before.stamp.next(self.now()),
            password_hash: new_hash.unwrap_or_else(|| before.password_hash.clone()),
            ..before.clone()
        };
        users::update(&mut tx, &after).await?;
        record_change(&mut tx, Some(&before), Some(&after)).await?;
        if ends_sessions {
            sessions::revoke_all_of(&mut tx, id, self.now()).await?;
        }
        let record = Record::new("user.update", "user", &id).before(&before)?.after(&after)?;
        self.audit(&mut tx, &caller.source, record).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Refused while the user has access keys that work.
    pub async fn delete_user(
        &self,
        caller: &Authorised<ManageUsers>,
        id: UserId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = users::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        ensure_another_administrator(&mut tx, &before).await?;
        let keys_of_user = AccessKeyFilter { user_id: Some(id), ..AccessKeyFilter::default() };
        let keys = access_keys::active_names(&mut tx, &keys_of_user).await?;
        super::references::ensure_unused(&[("access key", &keys)])?;
        access_keys::delete_revoked(&mut tx, &keys_of_user).await?;
        users::delete(&mut tx, id).await?;
        record_change(&mut tx, Some(&before), None).await?;
        self.audit(&mut tx, &caller.source, Record::new("user.delete", "user", &id).before(&before)?).await?;
        Ok(tx.commit().await?)
    }

    /// Inserts and audits; the caller of this commits.
    pub(super) async fn insert_user(
        &self,
        tx: &mut WriteTx,
        source: &Source,
        spec: UserSpec,
        password_hash: String,
    ) -> Result<User, AppError> {
        let stamp = Stamp::first(self.now());
        let user = User { id: UserId::generate(), spec, last_login_at: None, stamp, password_hash };
        users::insert(tx, &user).await?;
        record_change(tx, None, Some(&user)).await?;
        let record = Record::new("user.create", "user", &user.id).after(&user)?;
        self.audit(tx, source, record).await?;
        Ok(user)
    }

    async fn hash_of_new_password(&self, password: Value) -> Result<String, AppError> {
        let Value::String(password) = password else {
            return Err(Invalid::field("password", "must be a string").into());
        };
        let password = Secret::new(password);
        validated_password(&password)?;
        Ok(self.0.passwords.hash(password).await?)
    }
}

/// Proxies are told when what they know of the user has changed.
async fn record_change(tx: &mut WriteTx, before: Option<&User>, after: Option<&User>) -> Result<(), StoreError> {
    let (known, now) = (before.and_then(Owner::of), after.and_then(Owner::of));
    if let Some(Owner { id, .. }) = now.as_ref().or(known.as_ref())
        && known != now
    {
        tx.record_change(ResourceKind::User, &id.to_string(), now.is_none()).await?;
    }
    Ok(())
}

async fn ensure_another_administrator(tx: &mut WriteTx, user: &User) -> Result<(), AppError> {
    let is_one = user.spec.role == Role::Admin && user.spec.status.is_active();
    if is_one && !users::another_administrator(tx, user.id).await? {
        return Err(AppError::Conflict("This is the last active administrator."));
    }
    Ok(())
}
