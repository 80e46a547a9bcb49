//! Brings [`Published`] up to the database's revision.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Change, Entry, Head, Published};

/// How often the database is asked without a signal: another replica's changes raise none here, and a key that was
/// revoked there has to be refused everywhere within a second.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why the newest configuration could not be read.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ReconcileError(pub Box<dyn std::error::Error + Send + Sync>);

/// Where the rows come from.
#[async_trait]
pub trait ConfigurationRows: Send + Sync + 'static {
    /// The database's head; cheap, asked often.
    async fn head(&self) -> Result<Head, ReconcileError>;

    /// The rows that a holder of `known` lacks, all of one state of the database.
    async fn read(&self, known: Option<&Head>) -> Result<Rows, ReconcileError>;
}

/// What was read, and the revision that it belongs to.
#[derive(Debug)]
pub enum Rows {
    /// `resources` holds those that exist of the ones that `changes` names.
    Since { head: Head, changes: Vec<Change>, resources: Vec<Entry> },
    /// Everything, and as much of the change log as there is.
    All { head: Head, changes: Vec<Change>, resources: Vec<Entry> },
}

/// The only writer of a [`Published`].
pub struct Reconciler<R> {
    rows: R,
    published: Arc<Published>,
}

impl<R: ConfigurationRows> Reconciler<R> {
    pub fn new(rows: R, published: Arc<Published>) -> Self {
        Self { rows, published }
    }

    /// Reconciles at every signal and at every tick, until `stop`.
    pub async fn run(self, mut signal: watch::Receiver<u64>, stop: CancellationToken) {
        let mut failing = false;
        loop {
            match self.reconcile().await {
                Ok(()) => failing = false,
                Err(error) => {
                    // Once per outage: the poll would repeat it twice a second.
                    if !failing {
                        tracing::error!(%error, "proxies keep the configuration that they have");
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = signal.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(POLL_INTERVAL) => (),
            }
        }
    }

    /// One step; does nothing when nothing changed.
    pub async fn reconcile(&self) -> Result<(), ReconcileError> {
        let known = self.published.current();
        if known.as_ref() == Some(&self.rows.head().await?) {
            return Ok(());
        }
        match self.rows.read(known.as_ref()).await? {
            Rows::Since { head, changes, resources } => {
                tracing::debug!(revision = head.revision, changes = changes.len(), "configuration published");
                self.published.advance(head.revision, changes, resources);
            }
            Rows::All { head, changes, resources } => {
                tracing::info!(
                    epoch = %head.epoch, revision = head.revision, resources = resources.len(),
                    "whole configuration published"
                );
                self.published.replace(head, resources, changes);
            }
        }
        Ok(())
    }
}
