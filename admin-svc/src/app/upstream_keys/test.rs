//! Tries upstream keys out by a call that costs nothing.

use std::time::Instant;

use serde::Serialize;
use tollgate_shared::ids::{ProviderId, UpstreamKeyId};

use super::{App, AppError, Authorised, ManageConfiguration, NOT_FOUND, upstream_keys};
use crate::{
    app::{Precondition, audit::Change},
    domain::{change::ResourceKind, provider::Provider, upstream_key::UpstreamKey},
    store::{key_pools, providers},
    upstream::UpstreamError,
};

/// Another key is tried when the first one fails; more would only make the caller wait.
const KEYS_TRIED: usize = 3;

/// What a test of an upstream key found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyTest {
    pub ok: bool,
    /// The upstream's status, when it answered with an error.
    pub status: Option<u16>,
    pub latency_ms: u64,
    /// How many models the key may use.
    pub models: Option<usize>,
    /// One word: `key_refused`, `timeout`, `connect`, `resolve`, `address_refused`, `status`, …
    pub error: Option<&'static str>,
    pub message: Option<String>,
}

impl App {
    /// Lists the provider's models with this key. Changes nothing.
    pub async fn test_upstream_key(
        &self,
        _caller: &Authorised<ManageConfiguration>,
        id: UpstreamKeyId,
    ) -> Result<KeyTest, AppError> {
        let mut reader = self.store().begin_read().await?;
        let key = upstream_keys::by_id(&mut reader, id).await?.ok_or(NOT_FOUND)?;
        let pool = key_pools::by_id(&mut reader, key.spec.pool_id).await?.ok_or(NOT_FOUND)?;
        let provider = providers::by_id(&mut reader, pool.spec.provider_id).await?.ok_or(NOT_FOUND)?;
        // The connection is not kept while the upstream is asked.
        drop(reader);
        let started = Instant::now();
        let outcome = self.0.upstream.models(&provider.spec, &key.unseal(self.keyring())?).await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let error = outcome.as_ref().err();
        Ok(KeyTest {
            ok: outcome.is_ok(),
            status: error.and_then(UpstreamError::status),
            latency_ms,
            models: outcome.as_ref().ok().map(Vec::len),
            error: error.map(UpstreamError::kind),
            message: error.map(ToString::to_string),
        })
    }

    /// Asks the provider which models it has, with one of its active keys, and remembers the answer.
    pub async fn refresh_models(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: ProviderId,
        precondition: Precondition,
    ) -> Result<Provider, AppError> {
        let mut reader = self.store().begin_read().await?;
        let provider = providers::by_id(&mut reader, id).await?.ok_or(AppError::NotFound("provider"))?;
        precondition.check(provider.stamp)?;
        let keys = upstream_keys::active_of_provider(&mut reader, id).await?;
        drop(reader);
        let models = self.models_by_any(&provider, &keys).await?;
        let mut tx = self.store().begin_write().await?;
        let before = providers::by_id(&mut tx, id).await?.ok_or(AppError::NotFound("provider"))?;
        if before.models == models {
            return Ok(before);
        }
        let after = Provider { models, stamp: before.stamp.next(self.now()), ..before.clone() };
        providers::update(&mut tx, &after).await?;
        let change = Change::Update(&before, &after);
        self.record(&mut tx, &caller.source, ResourceKind::Provider, &id, change).await?;
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
