//! The configuration's rows as proxies get them: secrets in clear, revoked keys left out.

use std::{collections::BTreeSet, str::FromStr, sync::Arc};

use async_trait::async_trait;
use sqlx::AnyConnection;
use zeroize::Zeroizing;

use crate::{
    app::{App, access_key_tokens},
    crypto::envelope::Keyring,
    domain::{
        access_key::{AccessKey, AccessKeyStatus},
        change::ResourceKind,
        published::{Owner, Resource, ResourceKey, Settings},
        upstream_key::UpstreamKey,
        user::User,
    },
    publish::{ConfigurationRows, Entry, Head, ReconcileError, Rows},
    store::{StoreError, access_keys, configuration, key_pools, prices, providers, services, upstream_keys, users},
};

/// Reads configuration for the publisher.
pub struct PublishedRows {
    app: App,
    pepper: Zeroizing<Vec<u8>>,
}

impl PublishedRows {
    /// `pepper`: [`App::access_key_pepper`].
    pub fn new(app: App, pepper: Zeroizing<Vec<u8>>) -> Self {
        Self { app, pepper }
    }

    async fn settings(&self, connection: &mut AnyConnection) -> Result<Resource, StoreError> {
        let access_token_keys = access_key_tokens::public_keys(connection, self.app.keyring()).await?;
        Ok(Resource::Settings(Settings { access_key_pepper: self.pepper.clone(), access_token_keys }))
    }

    async fn everything(&self, connection: &mut AnyConnection) -> Result<Vec<Entry>, StoreError> {
        let mut resources = vec![self.settings(connection).await?];
        resources.extend(providers::all(connection).await?.into_iter().map(Resource::Provider));
        resources.extend(key_pools::all(connection).await?.into_iter().map(Resource::KeyPool));
        let upstream_keys = upstream_keys::all(connection).await?;
        resources.extend(upstream_keys.into_iter().filter_map(|key| unsealed(self.app.keyring(), key)));
        resources.extend(services::all(connection).await?.into_iter().map(Resource::Service));
        resources.extend(users::published(connection).await?.iter().filter_map(owner));
        resources.extend(access_keys::all(connection).await?.into_iter().filter_map(accepted));
        resources.extend(prices::all(connection).await?.into_iter().map(Resource::Price));
        Ok(resources.into_iter().map(entry).collect())
    }

    async fn one(&self, connection: &mut AnyConnection, key: &ResourceKey) -> Result<Option<Resource>, StoreError> {
        Ok(match key.kind {
            ResourceKind::Settings => Some(self.settings(connection).await?),
            ResourceKind::Provider => providers::by_id(connection, id(key)?).await?.map(Resource::Provider),
            ResourceKind::KeyPool => key_pools::by_id(connection, id(key)?).await?.map(Resource::KeyPool),
            ResourceKind::UpstreamKey => {
                let found = upstream_keys::by_id(connection, id(key)?).await?;
                found.and_then(|key| unsealed(self.app.keyring(), key))
            }
            ResourceKind::Service => services::by_id(connection, id(key)?).await?.map(Resource::Service),
            ResourceKind::User => users::by_id(connection, id(key)?).await?.as_ref().and_then(owner),
            ResourceKind::AccessKey => access_keys::by_id(connection, id(key)?).await?.and_then(accepted),
            ResourceKind::Price => prices::by_id(connection, id(key)?).await?.map(Resource::Price),
        })
    }

    async fn rows(&self, known: Option<&Head>) -> Result<Rows, StoreError> {
        let mut tx = self.app.store().begin_read().await?;
        let head = configuration::head(&mut tx).await?;
        if let Some(known) = known.filter(|known| known.epoch == head.epoch && known.revision <= head.revision) {
            let oldest = configuration::oldest_change(&mut tx).await?;
            if oldest.is_some_and(|oldest| oldest <= known.revision + 1) {
                return self.rows_since(&mut tx, known.revision, head).await;
            }
        }
        let resources = self.everything(&mut tx).await?;
        let changes = configuration::changes_since(&mut tx, 0).await?;
        Ok(Rows::All { head, changes, resources })
    }

    async fn rows_since(&self, connection: &mut AnyConnection, after: u64, head: Head) -> Result<Rows, StoreError> {
        let changes = configuration::changes_since(connection, after).await?;
        let touched: BTreeSet<&ResourceKey> = changes.iter().map(|change| &change.key).collect();
        let mut resources = Vec::with_capacity(touched.len());
        for key in touched {
            resources.extend(self.one(connection, key).await?.map(entry));
        }
        Ok(Rows::Since { head, changes, resources })
    }
}

#[async_trait]
impl ConfigurationRows for PublishedRows {
    async fn head(&self) -> Result<Head, ReconcileError> {
        let mut reader = self.app.store().reader().await?;
        Ok(configuration::head(&mut reader).await?)
    }

    async fn read(&self, known: Option<&Head>) -> Result<Rows, ReconcileError> {
        Ok(self.rows(known).await?)
    }
}

impl From<StoreError> for ReconcileError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

fn entry(resource: Resource) -> Entry {
    (resource.key(), Arc::new(resource))
}

/// A revoked key is not known to proxies at all: that is the one way to be refused that cannot go wrong.
fn accepted(key: AccessKey) -> Option<Resource> {
    (key.status == AccessKeyStatus::Active).then_some(Resource::AccessKey(key))
}

fn owner(user: &User) -> Option<Resource> {
    Owner::of(user).map(Resource::User)
}

/// A key whose secret does not open is left out: the others still serve.
fn unsealed(keyring: &Keyring, key: UpstreamKey) -> Option<Resource> {
    match key.unseal(keyring) {
        Ok(secret) => Some(Resource::UpstreamKey { key, secret }),
        Err(error) => {
            tracing::error!(key.id = %key.id, %error, "an upstream key's secret does not open; proxies do not get it");
            None
        }
    }
}

fn id<T: FromStr>(key: &ResourceKey) -> Result<T, StoreError> {
    key.id.parse().map_err(|_| StoreError::Corrupt {
        table: "configuration_changes",
        column: "resource_id".to_owned(),
        message: "not a UUID".to_owned(),
    })
}
