//! Writes usage: takes batches from all streams in their order, commits as many together as wait, then confirms them.
//!
//! One writer for the process: `SQLite` has only one, and on `PostgreSQL` many small transactions would wait for each
//! other's roll-ups. While a commit runs the next batches gather, so that the busier it is the larger commits get.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tollgate_shared::backoff::Backoff;

use crate::{
    app::App,
    domain::usage::{QuarantinedEvent, UsageEvent},
    grpc::{Committed, IncomingBatch, Stopping, UsageIntake},
    metrics::Metrics,
    store::{StoreError, usage},
};

/// Batches that wait for the writer, of all streams: 2 MiB each at most. When it is full the streams stop reading, and
/// the proxies keep what they have in their journals.
const QUEUE: usize = 32;
/// Events in one commit: enough that those of one series share a row of each roll-up, few enough that others get their
/// turn to write.
const EVENTS_PER_COMMIT: usize = 8_000;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

struct Pending {
    batch: IncomingBatch,
    committed: oneshot::Sender<()>,
}

/// The way in; the other end is an [`Ingest`].
#[derive(Clone)]
pub struct IngestQueue(mpsc::Sender<Pending>);

#[async_trait]
impl UsageIntake for IngestQueue {
    async fn take(&self, batch: IncomingBatch) -> Result<Committed, Stopping> {
        let (committed, receiver) = oneshot::channel();
        self.0.send(Pending { batch, committed }).await.map_err(|_| Stopping)?;
        Ok(receiver)
    }
}

/// The writer.
pub struct Ingest {
    app: App,
    metrics: Arc<Metrics>,
    queue: mpsc::Receiver<Pending>,
}

/// A writer and the way to it.
pub fn ingest(app: App, metrics: Arc<Metrics>) -> (Ingest, IngestQueue) {
    let (sender, queue) = mpsc::channel(QUEUE);
    (Ingest { app, metrics, queue }, IngestQueue(sender))
}

impl Ingest {
    /// Writes until `stop`. Batches that are not confirmed by then are sent again by their proxies.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(group) = self.next_group(&stop).await {
            let mut events = Vec::new();
            let mut quarantined = Vec::new();
            let mut confirmations = Vec::with_capacity(group.len());
            for Pending { batch, committed } in group {
                events.extend(batch.events);
                quarantined.extend(batch.quarantined);
                confirmations.push(committed);
            }
            self.metrics.usage_quarantined.add(quarantined.len() as u64);
            if self.write(events, &quarantined, &stop).await.is_none() {
                return;
            }
            for confirmation in confirmations {
                // A stream that ended meanwhile gets the same events again, which changes nothing.
                let _ = confirmation.send(());
            }
        }
    }

    /// Waits for a batch and takes those with it that wait already; nothing when it is time to stop.
    async fn next_group(&mut self, stop: &CancellationToken) -> Option<Vec<Pending>> {
        let first = tokio::select! {
            () = stop.cancelled() => return None,
            first = self.queue.recv() => first?,
        };
        let mut count = first.batch.events.len();
        let mut group = vec![first];
        while count < EVENTS_PER_COMMIT
            && let Ok(next) = self.queue.try_recv()
        {
            count += next.batch.events.len();
            group.push(next);
        }
        Some(group)
    }

    /// Commits, however long it takes; nothing when it is time to stop. Events that the database does not accept for
    /// what they are would block all others for ever: they are found by halves and set aside.
    async fn write(
        &self,
        events: Vec<UsageEvent>,
        quarantined: &[QuarantinedEvent],
        stop: &CancellationToken,
    ) -> Option<()> {
        let mut parts = vec![events];
        let mut quarantined = quarantined.to_vec();
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        while let Some(part) = parts.pop() {
            let Err(error) = self.commit(&part, &quarantined).await else {
                quarantined.clear();
                continue;
            };
            self.metrics.usage_commit_failures.add(1);
            if !usage::is_about_data(&error) {
                tracing::error!(%error, events = part.len(), "usage is not written yet");
                parts.push(part);
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = tokio::time::sleep(backoff.next(fastrand::f64())) => (),
                }
            } else if part.len() > 1 {
                let mut first = part;
                let second = first.split_off(first.len() / 2);
                parts.extend([second, first]);
            } else {
                tracing::error!(%error, "the database refuses a usage event; it is set aside");
                self.metrics.usage_quarantined.add(part.len() as u64);
                quarantined.extend(part.iter().map(|event| refused(event, &error)));
                parts.push(Vec::new());
            }
        }
        Some(())
    }

    async fn commit(&self, events: &[UsageEvent], quarantined: &[QuarantinedEvent]) -> Result<(), StoreError> {
        let recorded = self.app.record_usage(events, quarantined).await?;
        self.metrics.usage_commits.add(1);
        self.metrics.usage_events.add(recorded.inserted as u64);
        self.metrics.usage_duplicates.add(recorded.duplicates as u64);
        Ok(())
    }
}

fn refused(event: &UsageEvent, error: &StoreError) -> QuarantinedEvent {
    QuarantinedEvent {
        proxy_id: None,
        reason: format!("the database refused it: {error}"),
        message: format!("{event:?}").into_bytes(),
    }
}
