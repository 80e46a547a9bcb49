//! Writes what is in force to the disk, one write at a time, beside the stream.

use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use super::Watcher;
use crate::{
    snapshot::store::{Store, StoreError, StoredSnapshot},
    telemetry::Metrics,
};

/// Owns the store, but for the time of a write.
#[derive(Debug)]
pub(super) struct Persister {
    store: Option<Store>,
    writing: Option<JoinHandle<(Store, Result<(), StoreError>)>>,
    /// What is in force is newer than what is being written.
    behind: bool,
    metrics: Arc<Metrics>,
}

impl Persister {
    pub(super) fn new(store: Store, metrics: Arc<Metrics>) -> Self {
        Self { store: Some(store), writing: None, behind: false, metrics }
    }

    /// Whether everything in force was written, or could not be.
    pub(super) fn is_settled(&self) -> bool {
        self.writing.is_none() && !self.behind
    }

    fn begin(&mut self, snapshot: StoredSnapshot) {
        self.behind = false;
        if let Some(mut store) = self.store.take() {
            self.writing = Some(tokio::task::spawn_blocking(move || {
                let result = store.save(&snapshot);
                (store, result)
            }));
        }
    }

    /// Returns when the running write ends; never when none runs. May be dropped and called again.
    pub(super) async fn written(&mut self) {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let ended = writing.await;
        self.writing = None;
        let failure = match ended {
            Ok((store, result)) => {
                self.store = Some(store);
                result.err().map(|error| error.to_string())
            }
            // The store went down with the write, so no later one can be tried.
            Err(error) => Some(error.to_string()),
        };
        self.metrics.configuration.not_stored.set(i64::from(failure.is_some()));
        if let Some(error) = failure {
            self.metrics.configuration.store_failures.add(1);
            tracing::error!(error, "the snapshot in force cannot be stored: a restart would bring an older one back");
        }
    }
}

impl Watcher {
    /// Something new is in force. Begins to write, unless a write runs already: then one more follows it.
    pub(super) async fn store_in_force(&mut self) -> Result<(), JoinError> {
        if self.persister.writing.is_some() {
            self.persister.behind = true;
            return Ok(());
        }
        let clock = self.clock.clone();
        let snapshot = self.apply(move |applier| applier.to_store(&clock)).await?;
        if let Some(snapshot) = snapshot {
            self.persister.begin(snapshot);
        }
        Ok(())
    }

    /// Follows a finished write with the next when something newer came in force meanwhile.
    pub(super) async fn catch_up(&mut self) -> Result<(), JoinError> {
        if self.persister.behind { self.store_in_force().await } else { Ok(()) }
    }

    /// Waits until everything in force was written, or could not be.
    pub(super) async fn finish_storing(&mut self) -> Result<(), JoinError> {
        while self.persister.writing.is_some() {
            self.persister.written().await;
            self.catch_up().await?;
        }
        Ok(())
    }
}
