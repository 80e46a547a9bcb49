//! The handle that the request path holds.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_shared::{clock::UnixMicros, money::Cost};

use super::{
    deliver::{self, DeliveryOptions},
    event::{Attempt, Event, Intent, Tokens},
    journal::{Journal, JournalError, JournalOptions, Pressure, Recovered, Slot},
};

/// Takes what happened to requests, keeps it, and brings it to the control plane. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Reporter(Arc<Journal>);

impl Reporter {
    /// Opens the journal, and puts right what a crash left. Blocking: before anything is served.
    pub fn open(options: JournalOptions) -> Result<(Self, Recovered), JournalError> {
        let (journal, recovered) = Journal::open(options)?;
        Ok((Self(journal), recovered))
    }

    /// Starts delivery and housekeeping on `tasks`; they end after `stop`. Call it once, within a tokio runtime.
    /// For a stop that loses no time later, await [`Reporter::delivered`] (with a deadline) before cancelling.
    pub fn start(&self, delivery: DeliveryOptions, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(deliver::run(Arc::clone(&self.0), delivery, stop.clone()));
        tasks.spawn(Arc::clone(&self.0).keep_house(stop.clone()));
        tasks.spawn(Arc::clone(&self.0).keep_synchronised(stop.clone()));
    }

    /// Puts the intent where a crash of the process cannot reach it: before the first byte goes upstream.
    /// Synchronous, a few microseconds.
    pub fn begin(&self, intent: &Intent<'_>) -> Result<OpenIntent, JournalError> {
        let slot = self.0.begin(intent)?;
        Ok(OpenIntent { journal: Some(Arc::clone(&self.0)), slot })
    }

    /// For a request that had no intent, because it was refused. As good as it can be done without delay: when the
    /// journal is full, the event is dropped and counted.
    pub fn record(&self, event: &Event) {
        self.0.record(event);
    }

    /// Events that the control plane did not acknowledge yet.
    pub fn depth(&self) -> u64 {
        self.0.gauges().depth()
    }

    /// Requests that began and did not finish.
    pub fn open_intents(&self) -> u64 {
        self.0.gauges().open()
    }

    /// Bytes of the journal on disk, those that are set aside for what comes included.
    pub fn bytes(&self) -> u64 {
        self.0.gauges().bytes()
    }

    /// When the oldest event that is not acknowledged ended, roughly.
    pub fn oldest(&self) -> Option<UnixMicros> {
        self.0.gauges().oldest()
    }

    /// Intents that were refused.
    pub fn refused(&self) -> u64 {
        self.0.gauges().refused()
    }

    /// Events that were dropped: see [`Reporter::record`].
    pub fn dropped(&self) -> u64 {
        self.0.gauges().dropped()
    }

    /// Places in the journal that were found damaged while it was read for delivery.
    pub fn damaged(&self) -> u64 {
        self.0.gauges().damaged()
    }

    pub fn pressure(&self) -> Pressure {
        self.0.gauges().pressure()
    }

    /// Resolves when every event that is in the journal now is acknowledged, and hurries delivery. Waits for ever
    /// while the control plane is away: put a deadline around it.
    pub async fn delivered(&self) {
        self.0.delivered().await;
    }
}

/// A request on its way. Dropped without [`OpenIntent::finish`], which only a panic should do, it is reported as
/// `interrupted`.
#[derive(Debug)]
#[must_use = "a request that is not finished is reported as interrupted"]
pub struct OpenIntent {
    /// Absent once it is finished.
    journal: Option<Arc<Journal>>,
    slot: Slot,
}

impl OpenIntent {
    /// The request is over: its final is in the page cache when this returns.
    pub fn finish(mut self, event: &Event) {
        if let Some(journal) = self.journal.take() {
            journal.finish(self.slot, event);
        }
    }

    /// As [`OpenIntent::finish`]; at level `Host` it also waits until the final is on the disk (≤ 5 ms as a rule).
    /// To be awaited before the last byte of the answer goes to the client. When it fails the final is not lost: it is
    /// tried again, and the machine must not die meanwhile.
    pub async fn finish_durable(mut self, event: &Event) -> Result<(), JournalError> {
        match self.journal.take() {
            Some(journal) => journal.finish_durable(self.slot, event).await,
            None => Ok(()),
        }
    }

    /// What a long stream used so far, so that a crash does not lose it. Every few seconds is enough.
    pub fn checkpoint(&self, usage: &Tokens, cost: Option<Cost>) {
        if let Some(journal) = &self.journal {
            journal.checkpoint(self.slot, usage, cost);
        }
    }

    /// An attempt that failed and is followed by another, so that a crash does not lose it.
    pub fn attempt(&self, attempt: &Attempt) {
        if let Some(journal) = &self.journal {
            journal.attempt(self.slot, attempt);
        }
    }
}

impl Drop for OpenIntent {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.interrupt(self.slot);
        }
    }
}
