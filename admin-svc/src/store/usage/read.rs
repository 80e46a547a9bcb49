//! Reads events, newest first, and adds sums up.

use std::sync::LazyLock;

use sqlx::{AnyConnection, Row, any::AnyRow};
use tollgate_shared::{
    ids::RequestId,
    money::{Cost, Money},
};

use super::columns::{self, SELECT_SUMS};
use crate::{
    domain::usage::{
        Dimension, EventFilter, EventPosition, SummaryPiece, SummaryQuery, SummaryRow, Tokens, UsageEvent,
    },
    store::{Fields, StoreError, conditions::Conditions},
};

const TABLE: &str = "usage_events";
const SELECT_EVENTS: &str = "SELECT * FROM usage_events";

/// A page of events that pass a filter, newest first, after a position.
pub async fn events(
    connection: &mut AnyConnection,
    filter: &EventFilter,
    after: Option<EventPosition>,
    limit: i64,
) -> Result<Vec<UsageEvent>, StoreError> {
    let mut conditions = Conditions::new(SELECT_EVENTS);
    restrict(&mut conditions, filter);
    if let Some(EventPosition { started_at, request_id }) = after {
        conditions.integer_and_text("(started_at, request_id) < ($, $)", started_at, request_id.to_string());
    }
    conditions.end(" ORDER BY started_at DESC, request_id DESC");
    conditions.limit(limit);
    let rows = conditions.into_query().fetch_all(connection).await?;
    rows.iter().map(read_event).collect()
}

pub async fn event(connection: &mut AnyConnection, id: RequestId) -> Result<Option<UsageEvent>, StoreError> {
    let row = sqlx::query("SELECT * FROM usage_events WHERE request_id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read_event).transpose()
}

fn restrict(conditions: &mut Conditions, filter: &EventFilter) {
    let EventFilter {
        from,
        to,
        service_id,
        access_key_id,
        user_id,
        model,
        provider_id,
        upstream_key_id,
        status,
        outcome,
    } = filter;
    if let Some(from) = from {
        conditions.integer("started_at >= ", *from);
    }
    if let Some(to) = to {
        conditions.integer("started_at < ", *to);
    }
    if let Some(id) = service_id {
        conditions.text("service_id = ", id.to_string());
    }
    if let Some(id) = access_key_id {
        conditions.text("access_key_id = ", id.to_string());
    }
    if let Some(id) = user_id {
        conditions.text("user_id = ", id.to_string());
    }
    if let Some(model) = model {
        conditions.text("(model_served = $ OR model_requested = $)", model.as_str());
    }
    if let Some(id) = provider_id {
        conditions.text("provider_id = ", id.to_string());
    }
    if let Some(id) = upstream_key_id {
        conditions.text("upstream_key_id = ", id.to_string());
    }
    if let Some(status) = status {
        conditions.integer("status = ", i64::from(*status));
    }
    if let Some(outcome) = outcome {
        conditions.text("outcome = ", outcome.as_str());
    }
}

fn read_event(row: &AnyRow) -> Result<UsageEvent, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(UsageEvent {
        request_id: fields.parsed("request_id")?,
        started_at: fields.integer("started_at")?,
        duration_us: fields.integer("duration_us")?,
        ttft_us: fields.optional_integer("ttft_us")?,
        status: fields.number("status")?,
        outcome: fields.parsed("outcome")?,
        protocol: fields.parsed("protocol")?,
        stream: fields.integer("stream")? != 0,
        service_id: id(&fields, "service_id")?,
        access_key_id: id(&fields, "access_key_id")?,
        user_id: id(&fields, "user_id")?,
        model_requested: fields.text("model_requested")?,
        model_served: fields.text("model_served")?,
        provider_id: id(&fields, "provider_id")?,
        upstream_key_id: id(&fields, "upstream_key_id")?,
        tokens: Tokens {
            input_uncached: fields.integer("input_uncached")?,
            cache_read: fields.integer("cache_read")?,
            cache_write_5m: fields.integer("cache_write_5m")?,
            cache_write_1h: fields.integer("cache_write_1h")?,
            output: fields.integer("output")?,
            reasoning: fields.integer("reasoning")?,
        },
        source: match fields.text("source")?.as_str() {
            "" => None,
            _ => Some(fields.parsed("source")?),
        },
        cost: match fields.optional_integer("cost_micros")? {
            Some(micros) => {
                Some(Cost { amount: Money::from_micros(micros), currency: fields.parsed("cost_currency")? })
            }
            None => None,
        },
        error_code: fields.text("error_code")?,
        detail: fields.document("detail")?,
        reported_by: None,
        reserved: None,
    })
}

/// An id, or nothing where the text is empty.
fn id<T: std::str::FromStr<Err: std::fmt::Display>>(
    fields: &Fields<'_>,
    column: &str,
) -> Result<Option<T>, StoreError> {
    if fields.text(column)?.is_empty() { Ok(None) } else { fields.parsed(column).map(Some) }
}

const fn dimension_column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Service => "s.service_id",
        Dimension::AccessKey => "s.access_key_id",
        Dimension::User => "s.user_id",
        Dimension::Model => "s.model",
        Dimension::Provider => "s.provider_id",
        Dimension::UpstreamKey => "s.upstream_key_id",
    }
}

static FROM_ROLLUPS: LazyLock<String> = LazyLock::new(|| {
    let mut text = SELECT_SUMS.clone();
    text.push_str(" FROM usage_rollups r JOIN usage_series s ON s.id = r.series_id");
    text
});

/// The sums of one piece of a summary's time, by bucket and group. At most `limit` rows.
pub async fn summary(
    connection: &mut AnyConnection,
    query: &SummaryQuery,
    piece: SummaryPiece,
    limit: i64,
) -> Result<Vec<SummaryRow>, StoreError> {
    let mut group_by: Vec<&'static str> = query.group_by.iter().map(|dimension| dimension_column(*dimension)).collect();
    if query.interval.is_some() {
        group_by.push("r.bucket_at");
    }
    let mut head = "SELECT ".to_owned();
    for column in &group_by {
        head.push_str(column);
        head.push_str(", ");
    }
    head.push_str(&FROM_ROLLUPS);
    let mut conditions = Conditions::new(head);
    conditions.integer("r.granularity = ", piece.granularity.seconds());
    conditions.integer("r.bucket_at >= ", piece.from);
    conditions.integer("r.bucket_at < ", piece.to);
    restrict_series(&mut conditions, query);
    if !group_by.is_empty() {
        conditions.end(" GROUP BY ");
        conditions.end(&group_by.join(", "));
    }
    // Without groups there is one row even where there is nothing to sum.
    conditions.end(" HAVING COUNT(*) > 0");
    conditions.limit(limit);
    let rows = conditions.into_query().fetch_all(connection).await?;
    rows.iter().map(|row| read_summary(query, row)).collect()
}

fn restrict_series(conditions: &mut Conditions, query: &SummaryQuery) {
    let SummaryQuery {
        service_id,
        access_key_id,
        user_id,
        model,
        provider_id,
        upstream_key_id,
        from: _,
        to: _,
        interval: _,
        group_by: _,
    } = query;
    if let Some(id) = service_id {
        conditions.text("s.service_id = ", id.to_string());
    }
    if let Some(id) = access_key_id {
        conditions.text("s.access_key_id = ", id.to_string());
    }
    if let Some(id) = user_id {
        conditions.text("s.user_id = ", id.to_string());
    }
    if let Some(model) = model {
        conditions.text("s.model = ", model.as_str());
    }
    if let Some(id) = provider_id {
        conditions.text("s.provider_id = ", id.to_string());
    }
    if let Some(id) = upstream_key_id {
        conditions.text("s.upstream_key_id = ", id.to_string());
    }
}

fn read_summary(query: &SummaryQuery, row: &AnyRow) -> Result<SummaryRow, StoreError> {
    let mut column = 0..;
    let mut next = || column.next().unwrap_or_default();
    let group = query.group_by.iter().map(|_| Ok(row.try_get(next())?)).collect::<Result<Vec<String>, StoreError>>()?;
    let bucket_at = match query.interval {
        Some(interval) => Some(interval.floor(row.try_get(next())?)),
        None => None,
    };
    let sums = columns::unflatten(|| Ok::<_, StoreError>(row.try_get(next())?))?;
    Ok(SummaryRow { bucket_at, group, sums })
}
