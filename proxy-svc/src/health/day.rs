//! When a day's allowance comes back.

use std::time::Duration;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset, Weekday};
use tollgate_shared::clock::UnixMicros;

/// Until the next midnight in California, which is when Gemini counts requests of a day anew
/// (ai.google.dev/gemini-api/docs/rate-limits).
pub(super) fn until_pacific_midnight(now: UnixMicros) -> Duration {
    let Ok(now) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now) * 1000) else {
        return Duration::from_hours(24);
    };
    let there = now.to_offset(pacific_offset(now));
    let Some(next) = there.date().next_day() else { return Duration::from_hours(24) };
    // The clocks change at 2:00, so the offset of that midnight may be another than the one of now.
    let midnight = |offset| next.with_time(Time::MIDNIGHT).assume_offset(offset);
    let reset = midnight(pacific_offset(midnight(there.offset())));
    Duration::try_from(reset - now).unwrap_or_default()
}

/// Summer time is from 2:00 on the second Sunday of March to 2:00 on the first Sunday of November.
fn pacific_offset(at: OffsetDateTime) -> UtcOffset {
    let (standard, summer) = (time::macros::offset!(-8), time::macros::offset!(-7));
    let two = time::macros::time!(2:00);
    let change = |month, sunday, offset: UtcOffset| {
        nth_sunday(at.year(), month, sunday).map(|day| day.with_time(two).assume_offset(offset))
    };
    match (change(Month::March, 2, standard), change(Month::November, 1, summer)) {
        (Some(begin), Some(end)) if begin <= at && at < end => summer,
        _ => standard,
    }
}

fn nth_sunday(year: i32, month: Month, nth: u8) -> Option<Date> {
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    let before = if first.weekday() == Weekday::Sunday { 0 } else { 7 - first.weekday().number_days_from_sunday() };
    Date::from_calendar_date(year, month, 1 + before + 7 * (nth - 1)).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn wait(now: OffsetDateTime) -> Duration {
        until_pacific_midnight(i64::try_from(now.unix_timestamp_nanos() / 1000).unwrap())
    }

    #[test]
    fn the_day_ends_at_midnight_in_california() {
        // Winter: UTC−8.
        assert_eq!(wait(datetime!(2026-01-15 07:59:00 UTC)), Duration::from_mins(1));
        assert_eq!(wait(datetime!(2026-01-15 08:00:00 UTC)), Duration::from_hours(24));
        // Summer: UTC−7.
        assert_eq!(wait(datetime!(2026-07-15 06:00:00 UTC)), Duration::from_hours(1));
        // The days on which the clocks change have 23 and 25 hours.
        assert_eq!(wait(datetime!(2026-03-08 08:00:00 UTC)), Duration::from_hours(23));
        assert_eq!(wait(datetime!(2026-11-01 07:00:00 UTC)), Duration::from_hours(25));
    }
}
