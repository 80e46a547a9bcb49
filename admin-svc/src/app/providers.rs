//! Providers.

use tollgate_shared::ids::ProviderId;

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
        provider::{Provider, ProviderSpec},
        stamp::Stamp,
    },
    store::{key_pools, model_refreshes, prices, providers},
};

const KIND: ResourceKind = ResourceKind::Provider;
const NOT_FOUND: AppError = AppError::NotFound("provider");

impl App {
    pub async fn providers(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
    ) -> Result<Page<Provider>, AppError> {
        Ok(providers::page(&mut *self.store().reader().await?, request).await?)
    }

    pub async fn provider(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        id: ProviderId,
    ) -> Result<Provider, AppError> {
        providers::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_provider(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        spec: ProviderSpec,
    ) -> Result<Created, AppError> {
        let spec = spec.validated(self.address_policy())?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        let stamp = Stamp::first(self.now());
        let provider = Provider { id: ProviderId::generate(), spec, models: Vec::new(), stamp };
        providers::insert(&mut creation.tx, &provider).await?;
        self.record(&mut creation.tx, &caller.source, KIND, &provider.id, Change::Create(&provider)).await?;
        creation.finish(&provider).await
    }

    pub async fn update_provider(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ProviderId,
        mut patch: Patch,
        precondition: Precondition,
    ) -> Result<Provider, AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = providers::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        // What another kind offers by default is another thing.
        if patch.changes("kind", before.spec.kind.as_str()) {
            patch.default_to_null("responses_api");
        }
        let spec = patch.apply::<ProviderSpec>(&before.spec)?.validated(self.address_policy())?;
        if spec == before.spec {
            return Ok(before);
        }
        let after = Provider { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        providers::update(&mut tx, &after).await?;
        if (after.spec.kind, &after.spec.base_url) != (before.spec.kind, &before.spec.base_url) {
            // Its list of models is another one's.
            model_refreshes::forget(&mut tx, id).await?;
        }
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Refused while key pools or prices belong to it.
    pub async fn delete_provider(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ProviderId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = providers::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let pools = key_pools::names_of_provider(&mut tx, id).await?;
        let prices = prices::models_of_provider(&mut tx, id).await?;
        ensure_unused(&[("key pool", &pools), ("price", &prices)])?;
        providers::delete(&mut tx, id).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Delete(&before)).await?;
        Ok(tx.commit().await?)
    }
}
