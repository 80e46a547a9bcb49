//! Key pools.

use tollgate_shared::ids::{KeyPoolId, ProviderId};

use super::{
    App, AppError, Authorised, Created, Once, Precondition,
    audit::Change,
    caller::{ManageConfiguration, ReadConfiguration},
    creation::Begun,
    references::ensure_unused,
};
use crate::{
    domain::{
        change::ResourceKind,
        key_pool::{KeyPool, KeyPoolSpec},
        page::{Page, PageRequest},
        patch::Patch,
        stamp::Stamp,
        validation::Invalid,
    },
    store::{AnyConnection, WriteTx, key_pools, providers, services, upstream_keys},
};

const KIND: ResourceKind = ResourceKind::KeyPool;
const NOT_FOUND: AppError = AppError::NotFound("key pool");

impl App {
    /// `provider`: only this provider's pools.
    pub async fn key_pools(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
        provider: Option<ProviderId>,
    ) -> Result<Page<KeyPool>, AppError> {
        Ok(key_pools::page(&mut *self.store().reader().await?, request, provider).await?)
    }

    pub async fn key_pool(&self, _caller: &Authorised<ReadConfiguration>, id: KeyPoolId) -> Result<KeyPool, AppError> {
        key_pools::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_key_pool(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        spec: KeyPoolSpec,
    ) -> Result<Created, AppError> {
        let spec = spec.validated()?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        ensure_provider(&mut creation.tx, spec.provider_id).await?;
        let pool = KeyPool { id: KeyPoolId::generate(), spec, stamp: Stamp::first(self.now()) };
        key_pools::insert(&mut creation.tx, &pool).await?;
        self.record(&mut creation.tx, &caller.source, KIND, &pool.id, Change::Create(&pool)).await?;
        creation.finish(&pool).await
    }

    pub async fn update_key_pool(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: KeyPoolId,
        patch: Patch,
        precondition: Precondition,
    ) -> Result<KeyPool, AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = key_pools::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let spec = patch.apply::<KeyPoolSpec>(&before.spec)?.validated()?;
        if spec == before.spec {
            return Ok(before);
        }
        ensure_provider(&mut tx, spec.provider_id).await?;
        let after = KeyPool { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        key_pools::update(&mut tx, &after).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Refused while it has keys or services send to it.
    pub async fn delete_key_pool(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: KeyPoolId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = key_pools::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let keys = upstream_keys::names_of_pool(&mut tx, id).await?;
        let services = services_using(&mut tx, id).await?;
        ensure_unused(&[("upstream key", &keys), ("service", &services)])?;
        key_pools::delete(&mut tx, id).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Delete(&before)).await?;
        Ok(tx.commit().await?)
    }
}

async fn ensure_provider(connection: &mut AnyConnection, id: ProviderId) -> Result<(), AppError> {
    if providers::by_id(connection, id).await?.is_none() {
        return Err(Invalid::field("provider_id", "there is no such provider").into());
    }
    Ok(())
}

/// The names of services with a target in this pool.
async fn services_using(tx: &mut WriteTx, id: KeyPoolId) -> Result<Vec<String>, AppError> {
    let all = services::all(tx).await?;
    let uses = |spec: &crate::domain::service::ServiceSpec| {
        spec.routes.iter().flat_map(|route| &route.targets).any(|target| target.pool_id == id)
    };
    Ok(all.into_iter().filter(|service| uses(&service.spec)).map(|service| service.spec.name).collect())
}
