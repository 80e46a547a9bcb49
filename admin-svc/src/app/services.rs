//! Services.

use tollgate_shared::ids::ServiceId;

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
        page::{Page, PageRequest},
        patch::Patch,
        service::{Service, ServiceSpec},
        stamp::Stamp,
        validation::Violations,
    },
    store::{
        WriteTx,
        access_keys::{self, AccessKeyFilter},
        key_pools, services,
    },
};

const KIND: ResourceKind = ResourceKind::Service;
const NOT_FOUND: AppError = AppError::NotFound("service");

impl App {
    pub async fn services(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
    ) -> Result<Page<Service>, AppError> {
        Ok(services::page(&mut *self.store().reader().await?, request).await?)
    }

    pub async fn service(&self, _caller: &Authorised<ReadConfiguration>, id: ServiceId) -> Result<Service, AppError> {
        services::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_service(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        spec: ServiceSpec,
    ) -> Result<Created, AppError> {
        let spec = spec.validated()?;
        self.ensure_comparable(None, spec.budget.as_ref())?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        ensure_pools(&mut creation.tx, &spec).await?;
        let service = Service { id: ServiceId::generate(), spec, stamp: Stamp::first(self.now()) };
        services::insert(&mut creation.tx, &service).await?;
        self.record(&mut creation.tx, &caller.source, KIND, &service.id, Change::Create(&service)).await?;
        creation.finish(&service).await
    }

    pub async fn update_service(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ServiceId,
        patch: Patch,
        precondition: Precondition,
    ) -> Result<Service, AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = services::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let spec = patch.apply::<ServiceSpec>(&before.spec)?.validated()?;
        if spec == before.spec {
            return Ok(before);
        }
        self.ensure_comparable(before.spec.budget.as_ref(), spec.budget.as_ref())?;
        ensure_pools(&mut tx, &spec).await?;
        let after = Service { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        services::update(&mut tx, &after).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Refused while access keys for it work; revoked ones go with it.
    pub async fn delete_service(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ServiceId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = services::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let keys_of_service = AccessKeyFilter { service_id: Some(id), ..AccessKeyFilter::default() };
        let keys = access_keys::active_names(&mut tx, &keys_of_service).await?;
        ensure_unused(&[("access key", &keys)])?;
        access_keys::delete_revoked(&mut tx, &keys_of_service).await?;
        services::delete(&mut tx, id).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Delete(&before)).await?;
        Ok(tx.commit().await?)
    }
}

/// Every target's pool exists.
async fn ensure_pools(tx: &mut WriteTx, spec: &ServiceSpec) -> Result<(), AppError> {
    let mut violations = Violations::default();
    for (route_index, route) in spec.routes.iter().enumerate() {
        for (target_index, target) in route.targets.iter().enumerate() {
            if key_pools::by_id(tx, target.pool_id).await?.is_none() {
                let field = format!("routes[{route_index}].targets[{target_index}].pool_id");
                violations.add(field, "there is no such key pool");
            }
        }
    }
    Ok(violations.finish()?)
}
