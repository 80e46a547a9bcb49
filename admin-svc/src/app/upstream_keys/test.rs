//! Tries upstream keys out by a call that costs nothing.

use std::time::Instant;

use serde::Serialize;
use tollgate_shared::ids::UpstreamKeyId;

use super::{App, AppError, Authorised, ManageConfiguration, NOT_FOUND, upstream_keys};
use crate::{
    store::{key_pools, providers},
    upstream::UpstreamError,
};

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
    /// Lists the provider's models with this key. What it finds is noted as a probe's, and proxies hear of it.
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
        self.note_key_test(&key, provider.spec.kind, outcome.as_ref().map(drop), started).await?;
        Ok(KeyTest {
            ok: outcome.is_ok(),
            status: error.and_then(UpstreamError::status),
            latency_ms,
            models: outcome.as_ref().ok().map(Vec::len),
            error: error.map(UpstreamError::kind),
            message: error.map(ToString::to_string),
        })
    }
}
