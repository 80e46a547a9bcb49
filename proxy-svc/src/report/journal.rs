//! The journal: append-only segments on disk, their bound and their reserve.
//!
//! - A record is in the page cache when the call that made it returns: one `write` a record, under one short lock.
//! - *The reserve*: an intent is taken only when, after it, every open request has room for its final in space that
//!   is allocated already. So a full disk or a reached bound refuses new requests and loses nothing of those in flight.
//! - *An open request* has exactly one place: its latest `Open` record. A segment goes when all its finals are
//!   acknowledged and no open request has its place there, the oldest first; so whatever order a crash finds the files
//!   in, an `Open` record whose final was delivered is not found without that final.
//! - A final that the disk refuses all the same (I/O errors) stays in memory and is tried again; intents are refused
//!   meanwhile.
//!
//! What must not happen here: waiting for the network, or for a disk on the request's way (level `Host` waits for the
//! group's synchronisation, and only there).

use std::{
    cell::RefCell,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tollgate_shared::{clock::Clock, money::Cost};

use super::{
    event::{Attempt, Event, Intent, Tokens},
    record::{self, Detail, Kind, Open},
    segment::{self, MAX_FRAME},
};

mod chores;
mod gauges;
mod open_requests;
mod reading;
mod recovery;
mod space;
mod state;
mod synchronise;
#[cfg(test)]
mod tests;

pub(super) use gauges::Gauges;
pub(super) use reading::{Limits, Part};
use state::State;

/// What a written record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// The death of the process: records are in the page cache before the caller goes on.
    #[default]
    Process,
    /// The death of the machine: records are also synchronised, many at a time, within 5 ms as a rule.
    Host,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    #[default]
    Normal,
    /// Above 80 %: somebody should look.
    High,
    /// Above 95 %: finals keep their accounting fields only.
    Critical,
    /// Intents are refused; finals of requests in flight still have their room.
    Full,
}

#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Belongs to one proxy process alone; created when missing.
    pub directory: PathBuf,
    pub level: Level,
    pub segment_bytes: u64,
    /// All segments together.
    pub max_bytes: u64,
    pub clock: Clock,
}

impl JournalOptions {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            level: Level::Process,
            segment_bytes: 8 << 20,
            max_bytes: 1 << 30,
            clock: Clock::system(),
        }
    }

    fn validate(&self) -> Result<(), JournalError> {
        let refuse = |field, message| Err(JournalError::Options { field, message });
        if self.segment_bytes < 2 * MAX_FRAME as u64 {
            return refuse("segment_bytes", "at least 128 KiB");
        }
        if self.segment_bytes > u64::from(u32::MAX) {
            return refuse("segment_bytes", "less than 4 GiB");
        }
        if self.max_bytes < 4 * self.segment_bytes {
            return refuse("max_bytes", "at least four segments");
        }
        Ok(())
    }
}

/// What was found when the journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub segments: u64,
    /// Events that are not acknowledged yet, those of `interrupted` included.
    pub undelivered: u64,
    /// Intents without a final; each is now an event.
    pub interrupted: u64,
    /// Places where bytes that are no record were passed over or cut.
    pub damaged: u64,
    /// Segments of another version of this program; they are left alone.
    pub foreign: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The bound is reached or the disk takes no more; the request must be refused (503) and may be tried again later.
    #[error("the usage journal takes no more requests")]
    Full,
    #[error("another process uses the usage journal in {0}")]
    Locked(PathBuf),
    #[error("journal.{field}: {message}")]
    Options { field: &'static str, message: &'static str },
    #[error("usage journal: {action}: {source}")]
    Io { action: &'static str, source: io::Error },
    /// The record is written, but the disk did not confirm it in time.
    #[error("the usage journal is not synchronised with the disk")]
    NotSynchronised,
}

/// Wakes one waiting task; costs a load when nobody waits.
#[derive(Debug, Default)]
struct Bell {
    waiting: AtomicBool,
    notify: Notify,
}

impl Bell {
    fn ring(&self) {
        if self.waiting.load(Ordering::SeqCst) && self.waiting.swap(false, Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    /// Says that somebody is about to wait: what is looked at after this and before [`Bell::wait`] is not missed.
    fn prepare(&self) {
        self.waiting.store(true, Ordering::SeqCst);
    }

    async fn wait(&self) {
        self.notify.notified().await;
    }
}

#[derive(Debug)]
pub(super) struct Journal {
    options: JournalOptions,
    state: Mutex<State>,
    gauges: Gauges,
    said: Mutex<chores::Said>,
    /// Rung when there is something to deliver.
    delivery: Bell,
    /// Delivery should not gather, because somebody waits for it.
    hurry: Notify,
    /// Told when spares, limbo, orphans or acknowledged segments want looking after.
    chores: Notify,
    /// Rung when there is something to synchronise (level `Host`).
    synchronise: Bell,
    /// Told when somebody waits for that.
    awaited: Notify,
    /// Appends that are on the disk (level `Host`).
    synchronised: watch::Sender<u64>,
    /// Events that are acknowledged, counted as `Gauges` does.
    acknowledged: watch::Sender<u64>,
    /// Held locked as long as the journal is open.
    _lock: File,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(2048));
}

/// Lends a buffer that keeps its memory from call to call.
fn with_scratch<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    let result = use_it(&mut buffer);
    let _ = SCRATCH.try_with(|scratch| scratch.replace(buffer));
    result
}

fn frame_final(event: &Event, detail: Detail, frame: &mut Vec<u8>) {
    segment::start_frame(Kind::Final, frame);
    record::encode_final(event, detail, frame);
    segment::seal_frame(frame);
}

/// Who may use an open request's place; handed out by [`Journal::begin`], given back by finishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Journal {
    pub(super) fn open(options: JournalOptions) -> Result<(Arc<Self>, Recovered), JournalError> {
        options.validate()?;
        let (lock, state, recovered) = recovery::recover(&options)?;
        let gauges = Gauges::default();
        gauges.publish(&state, &options);
        let journal = Self {
            state: Mutex::new(state),
            gauges,
            said: Mutex::default(),
            delivery: Bell::default(),
            hurry: Notify::new(),
            chores: Notify::new(),
            synchronise: Bell::default(),
            awaited: Notify::new(),
            synchronised: watch::Sender::new(0),
            acknowledged: watch::Sender::new(0),
            options,
            _lock: lock,
        };
        journal.do_chores();
        Ok((Arc::new(journal), recovered))
    }

    pub(super) const fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    pub(super) fn begin(&self, intent: &Intent<'_>) -> Result<Slot, JournalError> {
        with_scratch(|frame| {
            segment::start_frame(Kind::Open, frame);
            record::encode_intent(intent, frame);
            segment::seal_frame(frame);
            let mut state = self.state.lock();
            let begun = state.begin(frame);
            self.after(&mut state);
            begun.inspect_err(|_| self.gauges.count_refused())
        })
    }

    /// How many records were appended with this one; none when the disk refused it and it waits in memory.
    pub(super) fn finish(&self, slot: Slot, event: &Event) -> Option<u64> {
        with_scratch(|frame| {
            let detail = self.detail();
            frame_final(event, detail, frame);
            let mut state = self.state.lock();
            if detail == Detail::Everything && !state.has_room_for_final(frame.len()) {
                frame_final(event, Detail::Accounting, frame);
            }
            let finished = state.finish(slot, frame);
            if finished.is_err() {
                frame_final(event, Detail::Accounting, frame);
                state.keep_in_limbo(slot, frame);
            }
            let appended = finished.is_ok().then_some(state.appended);
            self.after(&mut state);
            drop(state);
            self.delivery.ring();
            appended
        })
    }

    /// Ends a request whose end nobody told.
    pub(super) fn interrupt(&self, slot: Slot) {
        let now = self.options.clock.now();
        let mut state = self.state.lock();
        state.interrupt(slot, Some(now));
        self.after(&mut state);
        drop(state);
        self.delivery.ring();
    }

    pub(super) fn record(&self, event: &Event) {
        with_scratch(|frame| {
            frame_final(event, self.detail(), frame);
            let mut state = self.state.lock();
            let recorded = state.record(frame);
            self.after(&mut state);
            drop(state);
            if recorded { self.delivery.ring() } else { self.gauges.count_dropped() }
        });
    }

    pub(super) fn checkpoint(&self, slot: Slot, usage: &Tokens, cost: Option<Cost>) {
        self.amend(slot, |open| {
            open.usage = Some(usage.clone());
            open.cost = cost;
        });
    }

    pub(super) fn attempt(&self, slot: Slot, attempt: &Attempt) {
        self.amend(slot, |open| open.attempts.push(attempt.clone()));
    }

    /// Replaces an open request's record. When that fails the older one stays, and the request knows nothing of it.
    fn amend(&self, slot: Slot, change: impl FnOnce(&mut Open)) {
        let now = self.options.clock.now();
        let mut state = self.state.lock();
        state.amend(slot, |open| {
            open.elapsed = open.elapsed_at(now);
            change(open);
        });
        self.after(&mut state);
    }

    fn detail(&self) -> Detail {
        if self.gauges.pressure() >= Pressure::Critical { Detail::Accounting } else { Detail::Everything }
    }

    /// What every append brings with it: figures, and calls for those who act on them.
    fn after(&self, state: &mut State) {
        self.gauges.publish(state, &self.options);
        if state.wants_chores() {
            self.chores.notify_one();
        }
        if self.options.level == Level::Host {
            self.synchronise.ring();
        }
    }
}
