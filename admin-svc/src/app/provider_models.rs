//! Providers' lists of models: fetched when somebody asks for it, and by themselves (`background::provider_models`).

use std::time::Duration;

use tollgate_shared::{clock::UnixMicros, ids::ProviderId};

use super::{App, AppError, Authorised, Precondition, Source, audit::Change, caller::ManageConfiguration};
use crate::{
    domain::{change::ResourceKind, model_refresh::ModelRefresh, provider::Provider, upstream_key::UpstreamKey},
    store::{StoreError, model_refreshes, providers, upstream_keys},
};

const NOT_FOUND: AppError = AppError::NotFound("provider");
/// Another key is tried when the first one fails; more would only make the caller wait.
const KEYS_TRIED: usize = 3;

impl App {
    /// Asks the provider which models it has, with one of its active keys, and remembers the answer.
    pub async fn refresh_models(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ProviderId,
        precondition: Precondition,
    ) -> Result<Provider, AppError> {
        self.fetch_models(&caller.source, id, precondition).await
    }

    /// The same without being asked to.
    pub async fn refresh_models_unasked(&self, id: ProviderId) -> Result<Provider, AppError> {
        self.fetch_models(&Source::system(), id, Precondition::None).await
    }

    /// Which providers are to be asked now.
    pub async fn due_model_refreshes(&self) -> Result<Vec<ModelRefresh>, StoreError> {
        model_refreshes::due(&mut *self.store().reader().await?, self.now()).await
    }

    /// Whether it is this process that is to ask the provider: nobody else does for so long.
    pub async fn claim_model_refresh(&self, refresh: &ModelRefresh, lease: Duration) -> Result<bool, StoreError> {
        let now = self.now();
        let mut tx = self.store().begin_append().await?;
        let claimed = model_refreshes::claim(&mut tx, refresh, now, later(now, lease)).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// When the provider is to be asked again, and how often it has failed in a row by now.
    pub async fn settle_model_refresh(&self, id: ProviderId, failures: u32, wait: Duration) -> Result<(), StoreError> {
        let mut tx = self.store().begin_append().await?;
        model_refreshes::settle(&mut tx, id, failures, later(self.now(), wait)).await?;
        tx.commit().await
    }

    /// A list that is the same as before is no change: no version, no revision, no record.
    async fn fetch_models(
        &self,
        source: &Source,
        id: ProviderId,
        precondition: Precondition,
    ) -> Result<Provider, AppError> {
        let mut reader = self.store().begin_read().await?;
        let provider = providers::by_id(&mut reader, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(provider.stamp)?;
        let keys = upstream_keys::active_of_provider(&mut reader, id).await?;
        // The connection is not kept while the upstream is asked.
        drop(reader);
        let models = self.models_by_any(&provider, &keys).await?;
        let mut tx = self.store().begin_write().await?;
        let before = providers::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        if before.models == models {
            return Ok(before);
        }
        let after = Provider { models, stamp: before.stamp.next(self.now()), ..before.clone() };
        providers::update(&mut tx, &after).await?;
        self.record(&mut tx, source, ResourceKind::Provider, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn models_by_any(&self, provider: &Provider, keys: &[UpstreamKey]) -> Result<Vec<String>, AppError> {
        let mut failure = AppError::Conflict("The provider has no active upstream key to ask with.");
        for key in keys.iter().take(KEYS_TRIED) {
            match self.0.upstream.models(&provider.spec, &key.unseal(self.keyring())?).await {
                Ok(models) => return Ok(models),
                Err(error) => failure = AppError::Upstream(error),
            }
        }
        Err(failure)
    }
}

fn later(now: UnixMicros, wait: Duration) -> UnixMicros {
    now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}
