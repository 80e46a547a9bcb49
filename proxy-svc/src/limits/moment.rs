//! The two times that limits go by: one that never goes back, for what fills up again, and the calendar's, for days.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tollgate_shared::clock::{Clock, UnixMicros};

const DAY_MICROS: i64 = 86_400_000_000;
/// Where the time that never goes back begins, so that a counter at 0 has been full for ever.
const BEGINNING: Duration = Duration::from_hours(1_000);
/// The calendar's clock is looked at so often; in between it goes as the other does.
const LOOK_NANOS: u64 = 1_000_000_000;

/// A point in both times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) nanos: u64,
    unix_micros: UnixMicros,
}

impl Moment {
    #[cfg(test)]
    pub(super) fn new(since_start: Duration, unix_micros: UnixMicros) -> Self {
        Self { nanos: nanos(BEGINNING + since_start), unix_micros }
    }

    /// Days since 1970, UTC.
    pub(super) fn day(self) -> u64 {
        u64::try_from(self.unix_micros.div_euclid(DAY_MICROS)).unwrap_or(0)
    }

    pub(super) fn until_next_day(self) -> Duration {
        Duration::from_micros(DAY_MICROS.abs_diff(self.unix_micros.rem_euclid(DAY_MICROS)))
    }
}

/// Tells the moment, which takes one reading of a clock.
pub(crate) struct Timer {
    started: Instant,
    clock: Clock,
    /// Of the calendar's time before the other.
    lead_micros: AtomicI64,
    looked_at: AtomicU64,
}

impl Timer {
    pub(super) fn system() -> Self {
        let timer = Self {
            started: Instant::now(),
            clock: Clock::system(),
            lead_micros: AtomicI64::new(0),
            looked_at: AtomicU64::new(0),
        };
        timer.look(nanos(BEGINNING));
        timer
    }

    pub(super) fn now(&self) -> Moment {
        let nanos = nanos(BEGINNING + self.started.elapsed());
        if nanos.saturating_sub(self.looked_at.load(Relaxed)) >= LOOK_NANOS {
            self.look(nanos);
        }
        Moment { nanos, unix_micros: micros(nanos) + self.lead_micros.load(Relaxed) }
    }

    fn look(&self, nanos: u64) {
        self.lead_micros.store(self.clock.now() - micros(nanos), Relaxed);
        self.looked_at.store(nanos, Relaxed);
    }
}

fn micros(nanos: u64) -> UnixMicros {
    i64::try_from(nanos / 1_000).unwrap_or(i64::MAX)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_followed_within_a_second() {
        let timer = Timer { clock: Clock::held_at(3 * DAY_MICROS), ..Timer::system() };
        timer.look(timer.now().nanos);
        assert_eq!(timer.now().day(), 3);
        timer.clock.advance(Duration::from_hours(24));
        assert_eq!(timer.now().day(), 3);
        timer.looked_at.store(0, Relaxed);
        assert_eq!(timer.now().day(), 4);
    }

    #[test]
    fn days_are_utc_and_end_at_midnight() {
        let noon = Moment::new(Duration::ZERO, 3 * DAY_MICROS + DAY_MICROS / 2);
        assert_eq!((noon.day(), noon.until_next_day()), (3, Duration::from_hours(12)));
        let midnight = Moment::new(Duration::ZERO, 4 * DAY_MICROS);
        assert_eq!((midnight.day(), midnight.until_next_day()), (4, Duration::from_hours(24)));
    }
}
