//! Durations, counted by size.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds: from a refusal (milliseconds) to the longest stream (the built-in total time-out).
pub(super) const BOUNDS_MICROS: [u64; 16] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    900_000_000,
];

#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One more than bounds: the last is for what is longer than all.
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

/// A reading, or the sum of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub sum_micros: u64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn add_to(&self, reading: &mut Reading) {
        for (total, bucket) in reading.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        reading.sum_micros = reading.sum_micros.wrapping_add(self.sum_micros.load(Relaxed));
    }
}
