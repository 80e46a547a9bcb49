//! The two times that limits go by: one that never goes back, for what fills up again, and the calendar's, for days.

use std::time::{Duration, Instant};

use tollgate_shared::clock::{Clock, UnixMicros};

const DAY_MICROS: i64 = 86_400_000_000;
/// Where the time that never goes back begins, so that a counter at 0 has been full for ever.
const BEGINNING: Duration = Duration::from_hours(1_000);

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

/// Tells the moment.
pub(crate) struct Timer {
    started: Instant,
    clock: Clock,
}

impl Timer {
    pub(super) fn system() -> Self {
        Self { started: Instant::now(), clock: Clock::system() }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { nanos: nanos(BEGINNING + self.started.elapsed()), unix_micros: self.clock.now() }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_utc_and_end_at_midnight() {
        let noon = Moment::new(Duration::ZERO, 3 * DAY_MICROS + DAY_MICROS / 2);
        assert_eq!((noon.day(), noon.until_next_day()), (3, Duration::from_hours(12)));
        let midnight = Moment::new(Duration::ZERO, 4 * DAY_MICROS);
        assert_eq!((midnight.day(), midnight.until_next_day()), (4, Duration::from_hours(24)));
    }
}
