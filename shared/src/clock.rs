//! Time of day, from a source that a test can hold still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Microseconds since 1970-01-01 UTC: the unit of every stored time.
pub type UnixMicros = i64;

/// The system's clock, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Held(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn held_at(now: UnixMicros) -> Self {
        Self(Source::Held(Arc::new(AtomicI64::new(now))))
    }

    /// Moves a held clock, and every clone of it; the system's clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Held(now) = &self.0 {
            now.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    pub fn now(&self) -> UnixMicros {
        match &self.0 {
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)),
            Source::Held(now) => now.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_clock_moves_only_when_told() {
        let clock = Clock::held_at(5);
        let copy = clock.clone();
        assert_eq!(copy.now(), 5);
        clock.advance(Duration::from_millis(1));
        assert_eq!(copy.now(), 1005);
    }
}
