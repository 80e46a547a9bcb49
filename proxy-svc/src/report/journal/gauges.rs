//! Figures about the journal, readable without its lock.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use tollgate_shared::clock::UnixMicros;

use super::{JournalOptions, Pressure, state::State};

#[derive(Debug, Default)]
pub(in super::super) struct Gauges {
    finals: AtomicU64,
    acknowledged: AtomicU64,
    open: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    damaged: AtomicU64,
    pressure: AtomicU8,
    oldest: AtomicI64,
}

impl Gauges {
    /// Events that were written, since the start or before.
    pub(in super::super) fn finals(&self) -> u64 {
        self.finals.load(Relaxed)
    }

    pub(in super::super) fn depth(&self) -> u64 {
        self.finals().saturating_sub(self.acknowledged.load(Relaxed))
    }

    pub(in super::super) fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(in super::super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(in super::super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(in super::super) fn damaged(&self) -> u64 {
        self.damaged.load(Relaxed)
    }

    pub(in super::super) fn oldest(&self) -> Option<UnixMicros> {
        (self.depth() > 0).then(|| self.oldest.load(Relaxed))
    }

    pub(in super::super) fn pressure(&self) -> Pressure {
        match self.pressure.load(Relaxed) {
            0 => Pressure::Normal,
            1 => Pressure::High,
            2 => Pressure::Critical,
            _ => Pressure::Full,
        }
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn count_damaged(&self, places: u64) {
        self.damaged.fetch_add(places, Relaxed);
    }

    /// Under the journal's lock.
    pub(super) fn publish(&self, state: &State, options: &JournalOptions) {
        if state.finals != self.finals() {
            if self.depth() == 0 {
                self.oldest.store(options.clock.now(), Relaxed);
            }
            self.finals.store(state.finals, Relaxed);
        }
        self.open.store(state.open.len(), Relaxed);
        self.bytes.store(state.space.allocated, Relaxed);
        self.pressure.store(pressure(state, options.max_bytes) as u8, Relaxed);
    }

    /// Under the journal's lock: `total` events are acknowledged, the last of which ended at `last_ended`.
    pub(super) fn acknowledge(&self, total: u64, last_ended: Option<UnixMicros>) {
        self.acknowledged.store(total, Relaxed);
        if let Some(ended) = last_ended {
            self.oldest.store(ended, Relaxed);
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }
}

fn pressure(state: &State, max_bytes: u64) -> Pressure {
    if state.refusing {
        Pressure::Full
    } else if state.used * 20 >= max_bytes * 19 {
        Pressure::Critical
    } else if state.used * 5 >= max_bytes * 4 {
        Pressure::High
    } else {
        Pressure::Normal
    }
}
