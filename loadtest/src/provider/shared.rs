//! What all connections of one simulated provider share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::fault::Faults;
use super::log::Log;
use super::memo::Memo;
use super::openai::stored::Stored;
use super::options::Options;
use super::template::Stamp;
use super::usage::Counters;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) counters: Counters,
    pub(crate) memo: Memo,
    pub(crate) bad_keys: RwLock<HashSet<String>>,
    pub(crate) stored: Stored,
    /// For ids: starts anywhere, so that two simulated providers do not give out the same ones.
    number: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            faults: Faults::default(),
            log: Log::new(options.log),
            counters: Counters::default(),
            memo: Memo::default(),
            bad_keys: RwLock::new(options.bad_keys.iter().cloned().collect()),
            stored: Stored::default(),
            number: AtomicU64::new(fastrand::u64(..)),
            options,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn stamp(&self, owner: u32) -> Stamp {
        Stamp::new(self.number(), owner)
    }
}
