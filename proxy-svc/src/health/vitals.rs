//! How well a key serves a model: time to the first token, share of successes, requests in flight.
//!
//! Moving averages in relaxed atomics. Two answers that end in the same instant may lose one of their samples, which
//! an average does not notice. What was measured long ago weighs less and less, so that a key that lost all draws for
//! being slow is drawn again.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::Moment;

/// A sample's part of the average, as a power of two: 1/8.
const SAMPLE_SHIFT: u32 = 3;
/// Success as a fixed-point number.
const ONE: u32 = 1 << 16;
/// After this time without a sample, latency counts half, and so does the share of failures.
const HALF_LIFE_MS: u64 = 30_000;

#[derive(Debug)]
pub(super) struct Vitals {
    /// Microseconds; 0 = not measured.
    first_token: AtomicU64,
    failures: AtomicU32,
    measured_at: AtomicU64,
    in_flight: AtomicU32,
}

/// [`Vitals`] at one moment, and what is left of the rate limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Absent while there is no measurement.
    pub first_token: Option<Duration>,
    /// 0 to 1.
    pub success: f32,
    pub in_flight: u32,
    /// Of the tightest allowance that the provider told: 0 to 1; 1 when it told none.
    pub left: f32,
}

impl Default for Reading {
    fn default() -> Self {
        Self { first_token: None, success: 1.0, in_flight: 0, left: 1.0 }
    }
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            first_token: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            measured_at: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
        }
    }
}

impl Vitals {
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(super) fn first_token(&self, took: Duration, now: Moment) {
        let sample = u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> SAMPLE_SHIFT).max(1);
        let known = self.first_token.load(Relaxed);
        let next = if known == 0 { sample } else { known - (known >> SAMPLE_SHIFT) + (sample >> SAMPLE_SHIFT) };
        self.first_token.store(next.max(1), Relaxed);
        self.measured_at.store(now.0, Relaxed);
    }

    pub(super) fn ended(&self, well: bool, now: Moment) {
        let known = self.failures.load(Relaxed);
        let sample = if well { 0 } else { ONE };
        if known == 0 && well {
            return;
        }
        self.failures.store(known - (known >> SAMPLE_SHIFT) + (sample >> SAMPLE_SHIFT), Relaxed);
        self.measured_at.store(now.0, Relaxed);
    }

    #[expect(clippy::cast_precision_loss, reason = "16 bits fit a float")]
    pub(super) fn read(&self, now: Moment) -> Reading {
        let halvings = now.0.saturating_sub(self.measured_at.load(Relaxed)) / HALF_LIFE_MS;
        let halvings = u32::try_from(halvings).unwrap_or(31).min(31);
        let first_token = self.first_token.load(Relaxed);
        let failures = self.failures.load(Relaxed) >> halvings;
        Reading {
            first_token: (first_token > 0).then(|| Duration::from_micros(first_token >> halvings)),
            success: 1.0 - failures as f32 / ONE as f32,
            in_flight: self.in_flight.load(Relaxed),
            left: 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000);

    #[test]
    fn averages_follow_what_is_measured_and_fade() {
        let vitals = Vitals::default();
        assert_eq!(vitals.read(NOW), Reading::default());
        for _ in 0..100 {
            vitals.first_token(Duration::from_millis(200), NOW);
            vitals.ended(false, NOW);
        }
        let reading = vitals.read(NOW);
        let first = reading.first_token.unwrap();
        assert!((190..=201).contains(&first.as_millis()), "{first:?}");
        assert!(reading.success < 0.01, "{reading:?}");
        for _ in 0..100 {
            vitals.ended(true, NOW);
        }
        assert!(vitals.read(NOW).success > 0.99);
        let later = vitals.read(NOW.after(Duration::from_mins(1)));
        assert_eq!(later.first_token.unwrap().as_micros(), first.as_micros() / 4);
    }

    #[test]
    fn requests_in_flight_are_counted() {
        let vitals = Vitals::default();
        vitals.enter();
        vitals.enter();
        vitals.leave();
        assert_eq!(vitals.read(NOW).in_flight, 1);
    }
}
