//! The columns of a roll-up's sums, in one order for writing and reading.

use std::sync::LazyLock;

use crate::domain::usage::{BUCKETS, Sums, Tokens};

/// Counters before the histograms.
const COUNTERS: [&str; 17] = [
    "requests",
    "client_errors",
    "refused",
    "upstream_errors",
    "client_closed",
    "interrupted",
    "input_uncached",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "duration_us",
    "ttft_us",
    "cost_micros",
    "priced",
    "unpriced",
];

pub(super) const SUM_COLUMNS: usize = COUNTERS.len() + 2 * BUCKETS;

/// Every column that adds up: counters, then `duration_00`…, then `ttft_00`….
pub(super) static COLUMNS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let histogram = |name: &'static str| (0..BUCKETS).map(move |index| format!("{name}_{index:02}"));
    let counters = COUNTERS.iter().map(|name| (*name).to_owned());
    counters.chain(histogram("duration")).chain(histogram("ttft")).collect()
});

/// `INSERT INTO usage_rollups (…) VALUES`.
pub(super) static ROLLUP_HEAD: LazyLock<String> = LazyLock::new(|| {
    let mut text = "INSERT INTO usage_rollups (granularity, bucket_at, series_id".to_owned();
    for column in COLUMNS.iter() {
        text.push_str(", ");
        text.push_str(column);
    }
    text.push_str(") VALUES");
    text
});

/// `ON CONFLICT … DO UPDATE SET requests = usage_rollups.requests + excluded.requests, …`.
pub(super) static ROLLUP_SUMS: LazyLock<String> = LazyLock::new(|| {
    let mut text = "ON CONFLICT (granularity, bucket_at, series_id) DO UPDATE SET".to_owned();
    for (index, column) in COLUMNS.iter().enumerate() {
        text.push_str(if index == 0 { " " } else { ", " });
        for part in [column, " = usage_rollups.", column, " + excluded.", column] {
            text.push_str(part);
        }
    }
    text
});

/// `CAST(SUM(r.requests) AS BIGINT), …`: `PostgreSQL` widens the sum of BIGINTs.
pub(super) static SELECT_SUMS: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    for (index, column) in COLUMNS.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        for part in ["CAST(SUM(r.", column, ") AS BIGINT)"] {
            text.push_str(part);
        }
    }
    text
});

/// The sums in the order of [`COLUMNS`].
pub(super) fn flatten(sums: &Sums) -> impl Iterator<Item = i64> {
    let Sums {
        requests,
        client_errors,
        refused,
        upstream_errors,
        client_closed,
        interrupted,
        tokens: Tokens { input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning },
        duration_us,
        ttft_us,
        durations,
        ttfts,
        cost_micros,
        priced,
        unpriced,
    } = sums;
    let counters = [
        *requests,
        *client_errors,
        *refused,
        *upstream_errors,
        *client_closed,
        *interrupted,
        *input_uncached,
        *cache_read,
        *cache_write_5m,
        *cache_write_1h,
        *output,
        *reasoning,
        *duration_us,
        *ttft_us,
        *cost_micros,
        *priced,
        *unpriced,
    ];
    counters.into_iter().chain(*durations).chain(*ttfts)
}

/// The other way round. `next` gives the columns' values one after the other.
pub(super) fn unflatten<E>(mut next: impl FnMut() -> Result<i64, E>) -> Result<Sums, E> {
    let mut sums = Sums {
        requests: next()?,
        client_errors: next()?,
        refused: next()?,
        upstream_errors: next()?,
        client_closed: next()?,
        interrupted: next()?,
        tokens: Tokens {
            input_uncached: next()?,
            cache_read: next()?,
            cache_write_5m: next()?,
            cache_write_1h: next()?,
            output: next()?,
            reasoning: next()?,
        },
        duration_us: next()?,
        ttft_us: next()?,
        cost_micros: next()?,
        priced: next()?,
        unpriced: next()?,
        ..Sums::default()
    };
    for count in sums.durations.iter_mut().chain(&mut sums.ttfts) {
        *count = next()?;
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_round_trip_through_their_columns() {
        let mut values = 1..;
        let sums = unflatten(|| values.next().ok_or(())).unwrap();
        let flat: Vec<i64> = flatten(&sums).collect();
        assert_eq!(flat, (1..=i64::try_from(SUM_COLUMNS).unwrap()).collect::<Vec<_>>());
        assert_eq!(COLUMNS.len(), SUM_COLUMNS);
    }
}
