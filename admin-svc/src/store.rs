//! The database: connections, transactions, and one file of SQL statements a resource.
//!
//! `SQLite` and `PostgreSQL` get the same SQL text with `$1` parameters, through `sqlx::Any`. Here and below is every
//! statement of the service and no policy: what may be written, and by whom, is decided in [`crate::app`].
//!
//! A configuration change is written in a [`WriteTx`], one at a time on either database: on `SQLite` because it has one
//! writer, on `PostgreSQL` because the transaction starts by locking the configuration's row. So a check that is made
//! inside the transaction still holds when it commits, and revisions commit in their order.

pub mod access_keys;
pub mod audit_events;
pub mod budgets;
mod bulk;
mod change_log;
mod conditions;
pub mod configuration;
mod connect;
mod error;
mod fields;
pub mod health_hints;
pub mod idempotency_keys;
pub mod key_health;
pub mod key_pools;
pub mod key_probes;
pub mod model_refreshes;
pub mod prices;
pub mod providers;
pub mod proxies;
pub mod sealed_settings;
pub mod services;
pub mod sessions;
mod transaction;
pub mod upstream_keys;
pub mod usage;
pub mod users;

use std::sync::Arc;

use sqlx::{Any, AnyPool, pool::PoolConnection};
use tokio::sync::watch;

pub use connect::Engine;
pub use error::StoreError;
pub use fields::Fields;
pub use sqlx::AnyConnection;
pub use transaction::{ReadTx, WriteTx};

/// The database, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    writer: AnyPool,
    reader: AnyPool,
    /// Carries the newest revision that was committed by this process.
    changes: watch::Sender<u64>,
}

impl Store {
    /// Opens `sqlite://path` (created when missing) or `postgres://…`, runs the migrations, and gives a new database
    /// its epoch.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let connect::Pools { engine, writer, reader } = connect::open(url).await?;
        let (changes, _) = watch::channel(0);
        Ok(Self(Arc::new(Inner { engine, writer, reader, changes })))
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// A connection for single reads.
    pub async fn reader(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.0.reader.acquire().await?)
    }

    /// A transaction whose reads all see the same state of the database.
    pub async fn begin_read(&self) -> Result<ReadTx, StoreError> {
        ReadTx::begin(&self.0.reader, self.0.engine).await
    }

    /// A transaction that changes configuration, users or sessions; there is one at a time.
    pub async fn begin_write(&self) -> Result<WriteTx, StoreError> {
        WriteTx::begin_serial(&self.0.writer, self.0.engine, self.0.changes.clone()).await
    }

    /// A transaction that only adds rows which nothing else decides upon (usage); on `PostgreSQL` many run at a time.
    pub async fn begin_append(&self) -> Result<WriteTx, StoreError> {
        WriteTx::begin_concurrent(&self.0.writer, self.0.engine, self.0.changes.clone()).await
    }

    /// Wakes when this process committed a configuration change. Other replicas' changes have to be polled for.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        self.0.reader.close().await;
        self.0.writer.close().await;
    }
}
