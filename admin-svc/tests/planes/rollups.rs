//! Roll-ups are what one gets by adding the events up, whatever comes in which order how often.

use std::collections::BTreeMap;

use admin_svc::{
    app::App,
    domain::usage::{
        EventDetail, Granularity, Outcome, Protocol, Series, SummaryQuery, Sums, Tokens, UsageEvent, merge, roll_up,
    },
    store::usage,
};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use tollgate_shared::{
    ids::{AccessKeyId, RequestId, ServiceId},
    money::{Cost, Currency, Money},
};
use uuid::Uuid;

use crate::{control_plane::open, database::Database};

const START: i64 = 1_795_392_000_000_000;
const OUTCOMES: [Outcome; 6] = [
    Outcome::Ok,
    Outcome::ClientError,
    Outcome::Refused,
    Outcome::UpstreamError,
    Outcome::ClientClosed,
    Outcome::Interrupted,
];

#[test]
fn rollups_are_the_sums_of_the_events_on_sqlite() {
    let runtime = Runtime::new().unwrap();
    check(&runtime, &Database::sqlite(), 24);
}

#[test]
fn rollups_are_the_sums_of_the_events_on_postgres() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::postgres());
    check(&runtime, &database, 12);
}

/// An event of one of two access keys, somewhere in two days.
fn any_event() -> impl Strategy<Value = UsageEvent> {
    let tokens = (0..100_000_i64, 0..50_000_i64, 0..9_000_i64, 0..9_000_i64, 0..8_000_i64, 0..8_000_i64);
    let when = 0..2 * 86_400 * 1_000_000_i64;
    let times = (0..400_000_000_i64, proptest::option::of(0..400_000_000_i64));
    let cost = proptest::option::of(0..5_000_000_i64);
    (tokens, when, times, 0..OUTCOMES.len(), 0..2_u128, cost).prop_map(|(tokens, when, times, outcome, key, cost)| {
        let (input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning) = tokens;
        UsageEvent {
            request_id: RequestId::generate(),
            started_at: START + when,
            duration_us: times.0,
            ttft_us: times.1,
            status: 200,
            outcome: OUTCOMES[outcome],
            protocol: Protocol::Anthropic,
            stream: false,
            service_id: None,
            access_key_id: Some(AccessKeyId::from_uuid(Uuid::from_u128(key))),
            user_id: None,
            model_requested: "m".to_owned(),
            model_served: format!("m-{key}"),
            provider_id: None,
            upstream_key_id: None,
            tokens: Tokens { input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning },
            source: None,
            cost: cost.map(|cost| Cost { amount: Money::from_micros(cost), currency: Currency::USD }),
            error_code: String::new(),
            detail: EventDetail::default(),
            reported_by: None,
            reserved: None,
        }
    })
}

/// Batches of events: which events each has, so that an event is often in several, or in one twice.
fn any_delivery() -> impl Strategy<Value = (Vec<UsageEvent>, Vec<Vec<usize>>)> {
    proptest::collection::vec(any_event(), 1..60).prop_flat_map(|events| {
        let batch = proptest::collection::vec(0..events.len(), 0..80);
        (Just(events), proptest::collection::vec(batch, 1..6))
    })
}

fn check(runtime: &Runtime, database: &Database, cases: u32) {
    let app = runtime.block_on(open(database));
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&any_delivery(), |(events, batches)| {
            runtime.block_on(deliver(&app, events, &batches));
            Ok(())
        })
        .unwrap();
}

async fn deliver(app: &App, mut events: Vec<UsageEvent>, batches: &[Vec<usize>]) {
    // A service of its own keeps the cases apart.
    let service = ServiceId::generate();
    for event in &mut events {
        event.service_id = Some(service);
    }
    let mut delivered: BTreeMap<RequestId, UsageEvent> = BTreeMap::new();
    for batch in batches {
        let batch: Vec<UsageEvent> = batch.iter().map(|index| events[*index].clone()).collect();
        let new: BTreeMap<_, _> = batch.iter().map(|event| (event.request_id, event.clone())).collect();
        let fresh = new.keys().filter(|id| !delivered.contains_key(id)).count();
        let recorded = app.record_usage(&batch, &[]).await.unwrap();
        assert_eq!((recorded.inserted, recorded.inserted + recorded.duplicates), (fresh, batch.len()));
        delivered.extend(new);
    }
    let expected = total(delivered.values());
    for interval in [None, Some(Granularity::Minute), Some(Granularity::Hour), Some(Granularity::Day)] {
        let query = SummaryQuery {
            from: START,
            to: START + 2 * Granularity::Day.micros(),
            interval,
            group_by: Vec::new(),
            service_id: Some(service),
            access_key_id: None,
            user_id: None,
            model: None,
            provider_id: None,
            upstream_key_id: None,
        };
        assert_eq!(summed(app, &query).await, expected, "{interval:?}");
        for event in delivered.values().take(3) {
            let of_key = SummaryQuery { access_key_id: event.access_key_id, ..query.clone() };
            let same = delivered.values().filter(|other| Series::of(other) == Series::of(event));
            assert_eq!(summed(app, &of_key).await, total(same), "{interval:?}");
        }
        // A part of the time that begins and ends on odd minutes.
        let minute = Granularity::Minute.micros();
        let part = SummaryQuery { from: START + 7 * minute, to: START + 1_511 * minute, ..query };
        let within = delivered.values().filter(|event| (part.from..part.to).contains(&event.started_at));
        assert_eq!(summed(app, &part).await, total(within), "{interval:?}");
    }
}

fn total<'a>(events: impl Iterator<Item = &'a UsageEvent>) -> Sums {
    let mut total = Sums::default();
    for event in events {
        total.requests += 1;
        total.duration_us += event.duration_us;
        total.ttft_us += event.ttft_us.unwrap_or_default();
        total.tokens.add(&event.tokens);
        total.cost_micros += event.cost.map_or(0, |cost| cost.amount.micros());
        total.priced += i64::from(event.cost.is_some());
        match event.outcome {
            Outcome::Ok => (),
            Outcome::ClientError => total.client_errors += 1,
            Outcome::Refused => total.refused += 1,
            Outcome::UpstreamError => total.upstream_errors += 1,
            Outcome::ClientClosed => total.client_closed += 1,
            Outcome::Interrupted => total.interrupted += 1,
        }
        let one = roll_up([event]).sums.into_values().next().unwrap();
        for (sum, count) in total.durations.iter_mut().zip(one.durations) {
            *sum += count;
        }
        for (sum, count) in total.ttfts.iter_mut().zip(one.ttfts) {
            *sum += count;
        }
    }
    total
}

async fn summed(app: &App, query: &SummaryQuery) -> Sums {
    let mut tx = app.store().begin_read().await.unwrap();
    let mut rows = Vec::new();
    for piece in query.pieces() {
        rows.extend(usage::summary(&mut tx, query, piece, 100_000).await.unwrap());
    }
    let mut total = Sums::default();
    for row in merge(rows) {
        total.add(&row.sums);
    }
    total
}
