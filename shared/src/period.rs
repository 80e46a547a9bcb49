//! Calendar periods in UTC: when the one around a moment begins and ends.

use std::ops::Range;

use crate::{clock::UnixMicros, limits::Period};

const DAY: UnixMicros = 86_400_000_000;
/// 1970-01-01 was a Thursday; the Monday before it is day -3.
const FIRST_MONDAY: i64 = -3;
const DAYS_PER_WEEK: i64 = 7;

impl Period {
    /// The period around a moment: its beginning, and the next one's. A total has neither.
    pub const fn around(self, at: UnixMicros) -> Range<UnixMicros> {
        let day = at.div_euclid(DAY);
        match self {
            Self::Day => days(day, day + 1),
            Self::Week => {
                let monday = day - (day - FIRST_MONDAY).rem_euclid(DAYS_PER_WEEK);
                days(monday, monday + DAYS_PER_WEEK)
            }
            Self::Month => {
                let (year, month) = month_of(day);
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                days(first_day(year, month), first_day(next_year, next_month))
            }
            Self::Total => 0..UnixMicros::MAX,
        }
    }
}

/// The beginning (UTC) of the day of a moment.
pub const fn day_of(at: UnixMicros) -> UnixMicros {
    at - at.rem_euclid(DAY)
}

const fn days(first: i64, end: i64) -> Range<UnixMicros> {
    first.saturating_mul(DAY)..end.saturating_mul(DAY)
}

/// The day number of a month's first day: Howard Hinnant's `days_from_civil`, for years that begin in March.
const fn first_day(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year and month of a day number: `civil_from_days`.
const fn month_of(day: i64) -> (i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month)
}

#[cfg(test)]
mod tests {
    use time::{Date, Duration, Month, OffsetDateTime};

    use super::*;

    fn micros(at: OffsetDateTime) -> UnixMicros {
        i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap()
    }

    fn midnight(date: Date) -> UnixMicros {
        micros(date.midnight().assume_utc())
    }

    #[test]
    fn every_moment_of_thirty_years_is_in_the_period_that_the_calendar_says() {
        let mut date = Date::from_calendar_date(1999, Month::December, 25).unwrap();
        while date.year() < 2030 {
            for at in [midnight(date), midnight(date) + DAY / 2, midnight(date) + DAY - 1] {
                let next = date.next_day().unwrap();
                assert_eq!(Period::Day.around(at), midnight(date)..midnight(next));
                let monday = date - Duration::days(i64::from(date.weekday().number_days_from_monday()));
                assert_eq!(Period::Week.around(at), midnight(monday)..midnight(monday + Duration::days(7)));
                let first = date.replace_day(1).unwrap();
                let following = (first + Duration::days(31)).replace_day(1).unwrap();
                assert_eq!(Period::Month.around(at), midnight(first)..midnight(following));
                assert_eq!(day_of(at), midnight(date));
            }
            date = date.next_day().unwrap();
        }
        assert!(Period::Total.around(midnight(date)).contains(&midnight(date)));
    }
}
