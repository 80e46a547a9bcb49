//! The counters that every request touches, several times over.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::{
    AttemptOutcome, FinishedRequest, Outcome, Protocol,
    histogram::Histogram,
    label::{STATUS_CLASSES, status_class},
};

/// More than the cores that one proxy is given; beyond it threads share, which costs time and no count.
const COUNT: usize = 16;

/// Aligned so that no two shards share a cache line, nor the pair of lines that a core fetches together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub requests: [[[AtomicU64; Outcome::ALL.len()]; STATUS_CLASSES.len()]; Protocol::ALL.len()],
    pub duration: [Histogram; Protocol::ALL.len()],
    pub time_to_first_token: [Histogram; Protocol::ALL.len()],
    pub attempts: [AtomicU64; AttemptOutcome::ALL.len()],
    pub connections: AtomicU64,
    pub input_tokens: AtomicU64,
    pub output_tokens: AtomicU64,
}

impl Shard {
    pub(super) fn request_finished(&self, request: &FinishedRequest) {
        let FinishedRequest { protocol, status, outcome, duration, time_to_first_token } = *request;
        let protocol = protocol as usize;
        self.requests[protocol][status_class(status)][outcome as usize].fetch_add(1, Relaxed);
        self.duration[protocol].observe(duration);
        if let Some(time) = time_to_first_token {
            self.time_to_first_token[protocol].observe(time);
        }
    }
}

#[derive(Debug)]
pub(super) struct Shards(Box<[Shard; COUNT]>);

impl Default for Shards {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Shard::default())))
    }
}

impl Shards {
    /// The calling thread's; threads take turns when they first ask.
    pub(super) fn mine(&self) -> &Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        // A thread that is going down has no cell any more: any shard counts as well.
        let index = MINE.try_with(|mine| {
            if mine.get() == usize::MAX {
                mine.set(NEXT.fetch_add(1, Relaxed) % COUNT);
            }
            mine.get()
        });
        &self.0[index.unwrap_or(0)]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.0.iter()
    }

    pub(super) fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.iter().map(|shard| counter(shard).load(Relaxed)).sum()
    }
}
