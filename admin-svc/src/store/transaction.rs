//! Transactions. A [`WriteTx`] bumps the configuration's revision at most once, and signals after its commit.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use tokio::sync::watch;

use super::{Engine, StoreError, change_log};
use crate::domain::change::ResourceKind;

/// Reads one state of the database; ends when dropped.
#[derive(Debug)]
pub struct ReadTx(Transaction<'static, Any>);

impl ReadTx {
    pub(super) async fn begin(pool: &AnyPool, engine: Engine) -> Result<Self, StoreError> {
        let statement = match engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Self(pool.begin_with(statement).await?))
    }
}

impl Deref for ReadTx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0
    }
}

impl DerefMut for ReadTx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.0
    }
}

/// A transaction that writes; rolled back unless [`WriteTx::commit`] is called.
#[derive(Debug)]
pub struct WriteTx {
    transaction: Transaction<'static, Any>,
    /// Set when this transaction changed configuration.
    revision: Option<i64>,
    changes: watch::Sender<u64>,
}

impl WriteTx {
    pub(super) async fn begin_serial(
        pool: &AnyPool,
        engine: Engine,
        changes: watch::Sender<u64>,
    ) -> Result<Self, StoreError> {
        let mut tx = Self::begin_concurrent(pool, engine, changes).await?;
        if engine == Engine::Postgres {
            sqlx::query("SELECT id FROM configuration WHERE id = 1 FOR UPDATE").execute(&mut *tx).await?;
        }
        Ok(tx)
    }

    pub(super) async fn begin_concurrent(
        pool: &AnyPool,
        engine: Engine,
        changes: watch::Sender<u64>,
    ) -> Result<Self, StoreError> {
        // A deferred transaction that writes later can fail with SQLITE_BUSY whatever the time-out.
        let statement = match engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        Ok(Self { transaction: pool.begin_with(statement).await?, revision: None, changes })
    }

    /// Notes that proxies need to learn of a resource's change; call it in the transaction that makes the change.
    /// Returns the revision under which they will.
    pub async fn record_change(&mut self, kind: ResourceKind, id: &str, deleted: bool) -> Result<i64, StoreError> {
        let revision = match self.revision {
            Some(revision) => revision,
            None => change_log::next_revision(&mut self.transaction).await?,
        };
        self.revision = Some(revision);
        change_log::insert(&mut self.transaction, revision, kind, id, deleted).await?;
        Ok(revision)
    }

    /// Makes the changes durable, and wakes those who wait for [`super::Store::changes`].
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        if let Some(revision) = self.revision {
            let revision = u64::try_from(revision).unwrap_or_default();
            self.changes.send_modify(|newest| *newest = revision.max(*newest));
        }
        Ok(())
    }
}

impl Deref for WriteTx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}
