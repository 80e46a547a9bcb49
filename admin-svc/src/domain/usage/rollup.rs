//! Sums of events by minute, hour and day, so that no page ever counts events.
//!
//! A sum belongs to a *series*: everything that usage can be broken down by. Latencies are counted in fixed buckets,
//! because buckets of different minutes and series add up while percentiles do not.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, ServiceId, UpstreamKeyId, UserId},
};

use super::{Outcome, Tokens, UsageEvent};
use crate::domain::text_enum::text_enum;

/// Upper bounds of the latency buckets in milliseconds, each included; one more bucket is above the last.
/// About a factor of 1.5 apart where answers of models are: the error of a percentile stays within that.
pub const BOUNDS_MS: [u32; 24] = [
    10, 25, 50, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000,
    20_000, 30_000, 60_000, 120_000, 300_000,
];
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// How many events fell into each bucket.
pub type Histogram = [i64; BUCKETS];

text_enum! {
    /// How long a roll-up's bucket is.
    #[derive(PartialOrd, Ord)]
    pub enum Granularity {
        Minute = "minute",
        Hour = "hour",
        Day = "day",
    }
}

impl Granularity {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    pub const fn micros(self) -> UnixMicros {
        self.seconds() * 1_000_000
    }

    /// The start (UTC) of the bucket that a moment falls into.
    pub const fn floor(self, at: UnixMicros) -> UnixMicros {
        at - at.rem_euclid(self.micros())
    }
}

/// Everything that usage can be broken down by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    pub service_id: Option<ServiceId>,
    pub access_key_id: Option<AccessKeyId>,
    pub user_id: Option<UserId>,
    /// The model served.
    pub model: String,
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
}

/// A digest of a series: every writer computes the same one without asking the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(String);

impl SeriesId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Series {
    pub fn of(event: &UsageEvent) -> Self {
        Self {
            service_id: event.service_id,
            access_key_id: event.access_key_id,
            user_id: event.user_id,
            model: event.model_served.clone(),
            provider_id: event.provider_id,
            upstream_key_id: event.upstream_key_id,
        }
    }

    /// 128 bits of SHA-256 over the fields, each of a fixed length but the last.
    pub fn id(&self) -> SeriesId {
        let Self { service_id, access_key_id, user_id, model, provider_id, upstream_key_id } = self;
        let uuids = [
            service_id.as_ref().map(ServiceId::as_uuid),
            access_key_id.as_ref().map(AccessKeyId::as_uuid),
            user_id.as_ref().map(UserId::as_uuid),
            provider_id.as_ref().map(ProviderId::as_uuid),
            upstream_key_id.as_ref().map(UpstreamKeyId::as_uuid),
        ];
        let mut context = digest::Context::new(&digest::SHA256);
        for uuid in uuids {
            context.update(uuid.map_or(&[0; 16], |uuid| uuid.as_bytes()));
        }
        context.update(model.as_bytes());
        SeriesId(URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16]))
    }
}

/// Where a sum belongs. The order is the order in which sums are written, so that two writers never deadlock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupKey {
    pub granularity: Granularity,
    pub bucket_at: UnixMicros,
    pub series_id: SeriesId,
}

/// What adds up over events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub requests: i64,
    pub client_errors: i64,
    pub refused: i64,
    pub upstream_errors: i64,
    pub client_closed: i64,
    pub interrupted: i64,
    pub tokens: Tokens,
    pub duration_us: i64,
    pub ttft_us: i64,
    pub durations: Histogram,
    pub ttfts: Histogram,
    pub cost_micros: i64,
    /// Events with a cost.
    pub priced: i64,
    /// Events that used something and have none.
    pub unpriced: i64,
}

impl Sums {
    /// Requests that did not end well; a client that left is nobody's error.
    pub const fn errors(&self) -> i64 {
        self.client_errors + self.refused + self.upstream_errors + self.interrupted
    }

    /// How many events had a first byte.
    pub fn ttft_count(&self) -> i64 {
        self.ttfts.iter().sum()
    }

    fn count(&mut self, event: &UsageEvent) {
        self.requests += 1;
        match event.outcome {
            Outcome::Ok => (),
            Outcome::ClientError => self.client_errors += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::UpstreamError => self.upstream_errors += 1,
            Outcome::ClientClosed => self.client_closed += 1,
            Outcome::Interrupted => self.interrupted += 1,
        }
        self.tokens.add(&event.tokens_used());
        self.duration_us += event.duration_us;
        self.durations[bucket(event.duration_us)] += 1;
        match event.cost {
            Some(cost) => {
                self.cost_micros += cost.amount.micros();
                self.priced += 1;
            }
            None => self.unpriced += i64::from(event.source.is_some()),
        }
        if let Some(ttft_us) = event.ttft_us {
            self.ttft_us += ttft_us;
            self.ttfts[bucket(ttft_us)] += 1;
        }
    }

    pub fn add(&mut self, other: &Self) {
        let Self {
            requests,
            client_errors,
            refused,
            upstream_errors,
            client_closed,
            interrupted,
            tokens,
            duration_us,
            ttft_us,
            durations,
            ttfts,
            cost_micros,
            priced,
            unpriced,
        } = other;
        self.cost_micros += cost_micros;
        self.priced += priced;
        self.unpriced += unpriced;
        self.requests += requests;
        self.client_errors += client_errors;
        self.refused += refused;
        self.upstream_errors += upstream_errors;
        self.client_closed += client_closed;
        self.interrupted += interrupted;
        self.tokens.add(tokens);
        self.duration_us += duration_us;
        self.ttft_us += ttft_us;
        add_histogram(&mut self.durations, durations);
        add_histogram(&mut self.ttfts, ttfts);
    }
}

impl Tokens {
    pub fn add(&mut self, other: &Self) {
        let Self { input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning } = other;
        self.input_uncached += input_uncached;
        self.cache_read += cache_read;
        self.cache_write_5m += cache_write_5m;
        self.cache_write_1h += cache_write_1h;
        self.output += output;
        self.reasoning += reasoning;
    }

    /// The whole prompt.
    pub const fn input(&self) -> i64 {
        self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }
}

/// The sums that a set of events adds, and the series that they belong to.
#[derive(Debug, Default)]
pub struct Rollup {
    pub series: BTreeMap<SeriesId, Series>,
    pub sums: BTreeMap<RollupKey, Sums>,
}

/// Sums events up. Each is counted once as a minute; hours and days are sums of minutes.
pub fn roll_up<'a>(events: impl IntoIterator<Item = &'a UsageEvent>) -> Rollup {
    let mut minutes: HashMap<(UnixMicros, Series), Sums> = HashMap::new();
    for event in events {
        let minute = Granularity::Minute.floor(event.started_at);
        minutes.entry((minute, Series::of(event))).or_default().count(event);
    }
    let mut rollup = Rollup::default();
    for ((minute, series), sums) in minutes {
        let series_id = series.id();
        for granularity in Granularity::ALL {
            let key = RollupKey { granularity, bucket_at: granularity.floor(minute), series_id: series_id.clone() };
            rollup.sums.entry(key).or_default().add(&sums);
        }
        rollup.series.insert(series_id, series);
    }
    rollup
}

/// The time below which a share of the events stayed, in milliseconds; absent when there are none. Within a bucket
/// events are taken as evenly spread; beyond the last bound that bound is the answer.
pub fn percentile_ms(histogram: &Histogram, share: f64) -> Option<f64> {
    let total: i64 = histogram.iter().sum();
    if total == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (rank, count_of) = (share * total as f64, |index: usize| histogram[index] as f64);
    let mut below = 0.0;
    let mut lower = 0.0;
    for (index, bound) in BOUNDS_MS.iter().enumerate() {
        let (count, upper) = (count_of(index), f64::from(*bound));
        if count > 0.0 && below + count >= rank {
            return Some(lower + (upper - lower) * ((rank - below) / count).clamp(0.0, 1.0));
        }
        below += count;
        lower = upper;
    }
    Some(lower)
}

fn bucket(time_us: i64) -> usize {
    BOUNDS_MS.partition_point(|bound| i64::from(*bound) * 1_000 < time_us)
}

fn add_histogram(sum: &mut Histogram, other: &Histogram) {
    for (sum, count) in sum.iter_mut().zip(other) {
        *sum += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_included_in_their_bucket() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(10_000), 0);
        assert_eq!(bucket(10_001), 1);
        assert_eq!(bucket(300_000_000), BUCKETS - 2);
        assert_eq!(bucket(300_000_001), BUCKETS - 1);
    }

    #[test]
    fn percentiles_lie_in_the_bucket_of_their_rank() {
        let mut histogram = [0; BUCKETS];
        assert_eq!(percentile_ms(&histogram, 0.5), None);
        histogram[bucket(40_000)] = 90;
        histogram[bucket(900_000)] = 10;
        let median = percentile_ms(&histogram, 0.5).unwrap();
        assert!((25.0..=50.0).contains(&median), "{median}");
        let p99 = percentile_ms(&histogram, 0.99).unwrap();
        assert!((750.0..=1_000.0).contains(&p99), "{p99}");
        histogram[BUCKETS - 1] = 1_000;
        assert_eq!(percentile_ms(&histogram, 0.99), Some(300_000.0));
    }

    #[test]
    fn buckets_before_1970_floor_downwards() {
        assert_eq!(Granularity::Minute.floor(-1), -60_000_000);
        assert_eq!(Granularity::Day.floor(86_400_000_001), 86_400_000_000);
    }

    #[test]
    fn series_that_differ_in_one_field_have_different_ids() {
        let nothing = Series {
            service_id: None,
            access_key_id: None,
            user_id: None,
            model: String::new(),
            provider_id: None,
            upstream_key_id: None,
        };
        let id = uuid::Uuid::now_v7();
        let with_service = Series { service_id: Some(ServiceId::from_uuid(id)), ..nothing.clone() };
        let with_user = Series { user_id: Some(UserId::from_uuid(id)), ..nothing.clone() };
        assert_ne!(with_service.id(), with_user.id());
        assert_ne!(nothing.id(), with_user.id());
        assert_eq!(with_user.id(), with_user.clone().id());
    }
}
