//! Usage: events once each, their sums, and what could not be counted. Reading is in `read`.

use std::{collections::HashSet, fmt, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest;
use sqlx::{Any, AnyConnection, Row, query::Query};
use tollgate_shared::{clock::UnixMicros, ids::RequestId};

use super::{StoreError, bulk::BulkInsert, fields::to_document};
use crate::domain::usage::{
    BUCKETS, EventDetail, QuarantinedEvent, Rollup, RollupKey, Series, SeriesId, Sums, Tokens, UsageEvent, UsageSource,
};

mod columns;
mod read;

use columns::{ROLLUP_HEAD, ROLLUP_SUMS, SUM_COLUMNS};
pub use read::{event, events, summary};

type AnyQuery<'q> = Query<'q, Any, sqlx::any::AnyArguments>;

static INSERT_EVENTS: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO usage_events (request_id, started_at, duration_us, ttft_us, status, outcome, protocol, stream, \
         service_id, access_key_id, user_id, model_requested, model_served, provider_id, upstream_key_id, \
         input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning, source, error_code, detail, \
         cost_micros, cost_currency) VALUES",
        26,
        "ON CONFLICT (request_id) DO NOTHING RETURNING request_id",
    )
});

static INSERT_SERIES: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO usage_series (id, service_id, access_key_id, user_id, model, provider_id, upstream_key_id) VALUES",
        7,
        "ON CONFLICT (id) DO NOTHING",
    )
});

static ADD_ROLLUPS: LazyLock<BulkInsert> =
    LazyLock::new(|| BulkInsert::new(&ROLLUP_HEAD, 3 + SUM_COLUMNS, &ROLLUP_SUMS));

/// Inserts events that are not there yet and tells which those were. In one transaction with [`add`], so that an
/// event is summed exactly when it is inserted.
///
/// `events` must be ordered by id: two writers that were sent the same events then never deadlock.
pub async fn insert(connection: &mut AnyConnection, events: &[&UsageEvent]) -> Result<HashSet<RequestId>, StoreError> {
    let mut inserted = HashSet::with_capacity(events.len());
    for (text, group) in INSERT_EVENTS.statements(connection, events) {
        let mut query = sqlx::query(text);
        for event in group {
            query = bind_event(query, event)?;
        }
        for row in query.fetch_all(&mut *connection).await? {
            let id: &str = row.try_get(0)?;
            let id = id.parse().map_err(|_| StoreError::Corrupt {
                table: "usage_events",
                column: "request_id".to_owned(),
                message: "not a UUID".to_owned(),
            })?;
            inserted.insert(id);
        }
    }
    Ok(inserted)
}

fn bind_event<'q>(query: AnyQuery<'q>, event: &UsageEvent) -> Result<AnyQuery<'q>, StoreError> {
    let UsageEvent {
        request_id,
        started_at,
        duration_us,
        ttft_us,
        status,
        outcome,
        protocol,
        stream,
        service_id,
        access_key_id,
        user_id,
        model_requested,
        model_served,
        provider_id,
        upstream_key_id,
        tokens: Tokens { input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning },
        source,
        cost,
        error_code,
        detail,
        reported_by: _,
        reserved: _,
    } = event;
    let detail = to_document::<EventDetail>("usage_events", "detail", detail)?;
    Ok(query
        .bind(request_id.to_string())
        .bind(*started_at)
        .bind(*duration_us)
        .bind(*ttft_us)
        .bind(i64::from(*status))
        .bind(outcome.as_str())
        .bind(protocol.as_str())
        .bind(i64::from(*stream))
        .bind(id_text(service_id.as_ref()))
        .bind(id_text(access_key_id.as_ref()))
        .bind(id_text(user_id.as_ref()))
        .bind(model_requested.clone())
        .bind(model_served.clone())
        .bind(id_text(provider_id.as_ref()))
        .bind(id_text(upstream_key_id.as_ref()))
        .bind(*input_uncached)
        .bind(*cache_read)
        .bind(*cache_write_5m)
        .bind(*cache_write_1h)
        .bind(*output)
        .bind(*reasoning)
        .bind(source.map_or("", UsageSource::as_str))
        .bind(error_code.clone())
        .bind(detail)
        .bind(cost.map(|cost| cost.amount.micros()))
        .bind(cost.map(|cost| cost.currency.to_string())))
}

/// Adds sums to those that are stored, in key order.
pub async fn add(connection: &mut AnyConnection, rollup: &Rollup) -> Result<(), StoreError> {
    let series: Vec<(&SeriesId, &Series)> = rollup.series.iter().collect();
    for (text, group) in INSERT_SERIES.statements(connection, &series) {
        let mut query = sqlx::query(text);
        for (id, series) in group {
            query = bind_series(query, id, series);
        }
        query.execute(&mut *connection).await?;
    }
    let sums: Vec<(&RollupKey, &Sums)> = rollup.sums.iter().collect();
    for (text, group) in ADD_ROLLUPS.statements(connection, &sums) {
        let mut query = sqlx::query(text);
        for (key, sums) in group {
            query = bind_sums(query, key, sums);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind_series<'q>(query: AnyQuery<'q>, id: &SeriesId, series: &Series) -> AnyQuery<'q> {
    let Series { service_id, access_key_id, user_id, model, provider_id, upstream_key_id } = series;
    query
        .bind(id.as_str().to_owned())
        .bind(id_text(service_id.as_ref()))
        .bind(id_text(access_key_id.as_ref()))
        .bind(id_text(user_id.as_ref()))
        .bind(model.clone())
        .bind(id_text(provider_id.as_ref()))
        .bind(id_text(upstream_key_id.as_ref()))
}

/// In the order of [`columns`].
fn bind_sums<'q>(query: AnyQuery<'q>, key: &RollupKey, sums: &Sums) -> AnyQuery<'q> {
    let RollupKey { granularity, bucket_at, series_id } = key;
    let mut query = query.bind(granularity.seconds()).bind(*bucket_at).bind(series_id.as_str().to_owned());
    for sum in columns::flatten(sums) {
        query = query.bind(sum);
    }
    query
}

/// Keeps events that cannot be counted; the same event twice is kept once.
pub async fn quarantine(
    connection: &mut AnyConnection,
    events: &[QuarantinedEvent],
    now: UnixMicros,
) -> Result<(), StoreError> {
    for QuarantinedEvent { proxy_id, reason, message } in events {
        let id = STANDARD.encode(digest::digest(&digest::SHA256, message).as_ref());
        sqlx::query(
            "INSERT INTO usage_quarantine (id, proxy_id, received_at, reason, event) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(id_text(proxy_id.as_ref()))
        .bind(now)
        .bind(reason.clone())
        .bind(STANDARD.encode(message))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Whether the database refused what was to be written, so that trying again is of no use.
pub fn is_about_data(error: &StoreError) -> bool {
    match error {
        StoreError::Duplicate { .. } | StoreError::Reference | StoreError::Corrupt { .. } => true,
        // PostgreSQL: data exceptions (22…) and exceeded limits (54…); SQLite: too big, constraint, wrong type.
        StoreError::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
            let class = code.get(..2).filter(|_| code.len() == 5);
            matches!(class, Some("22" | "23" | "54")) || matches!(&*code, "18" | "19" | "20")
        }),
        _ => false,
    }
}

/// Absent ids are empty texts: they take part in keys and comparisons like any other.
fn id_text(id: Option<&impl fmt::Display>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

const _: () = assert!(SUM_COLUMNS == 17 + 2 * BUCKETS, "a sum without a column, or the other way round");
