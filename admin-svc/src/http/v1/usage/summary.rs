//! Sums of usage, from roll-ups.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, ServiceId, UpstreamKeyId, UserId},
    money::{Cost, Currency, Money},
};

use super::{
    event_body::CostBody,
    parameters::{dimensions, millis, storable},
};
use crate::{
    app::{App, AppError, caller::ReadUsage},
    domain::{
        timestamp::Timestamp,
        usage::{Dimension, Granularity, Histogram, SummaryQuery, SummaryRow, Sums, percentile_ms},
        validation::Invalid,
    },
    http::{
        extract::{QueryOf, Signed},
        problem::Problem,
    },
};

/// What is summed up, and how.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryParams {
    /// From this minute on; absent = 24 hours before `to`.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Before the end of this minute; absent = now.
    #[serde(default)]
    to: Option<Timestamp>,
    /// `service`, `access_key`, `user`, `model`, `provider`, `upstream_key`, separated by commas.
    #[serde(default, deserialize_with = "dimensions")]
    #[param(value_type = Option<String>, example = "service,model")]
    group_by: Vec<Dimension>,
    /// Absent = the whole time in one.
    #[serde(default)]
    interval: Option<Granularity>,
    #[serde(default)]
    service_id: Option<ServiceId>,
    #[serde(default)]
    access_key_id: Option<AccessKeyId>,
    #[serde(default)]
    user_id: Option<UserId>,
    /// The one served.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    provider_id: Option<ProviderId>,
    #[serde(default)]
    upstream_key_id: Option<UpstreamKeyId>,
}

/// Sums over a stretch of time.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct UsageSummary {
    from: Timestamp,
    to: Timestamp,
    interval: Option<Granularity>,
    group_by: Vec<Dimension>,
    /// By interval, then by group; what has no requests is left out.
    items: Vec<SummaryItem>,
    total: UsageSums,
}

/// The sums of one group in one interval. Only the ids that were grouped by are there; null is for requests that did
/// not get that far.
#[derive(Default, Serialize, utoipa::ToSchema)]
#[schema(as = UsageSummaryItem)]
#[expect(clippy::option_option, reason = "left out and null mean different things to the caller")]
struct SummaryItem {
    /// When the interval begins; left out without `interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_key_id: Option<Option<String>>,
    #[serde(flatten)]
    sums: UsageSums,
}

#[derive(Default, Serialize, utoipa::ToSchema)]
struct UsageSums {
    requests: i64,
    /// All but those that ended well and those whose client left.
    errors: i64,
    client_errors: i64,
    refused: i64,
    upstream_errors: i64,
    client_closed: i64,
    interrupted: i64,
    /// The whole prompts: uncached, read from and written to caches.
    input_tokens: i64,
    /// With reasoning.
    output_tokens: i64,
    /// Of the input: read from a cache.
    cached_tokens: i64,
    /// Of the input: written to a cache.
    cache_write_tokens: i64,
    /// Of the output.
    reasoning_tokens: i64,
    /// Of those whose model had a price; null when there were none.
    cost: Option<CostBody>,
    /// Requests that used something of a model without a price: the cost is without them.
    unpriced_requests: i64,
    latency_ms: Latency,
    /// Time to the first token.
    ttft_ms: Latency,
}

/// Milliseconds; null when there is nothing to measure. Percentiles are estimated within a bucket.
#[derive(Default, Serialize, utoipa::ToSchema)]
struct Latency {
    mean: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

/// Sums of requests, errors, tokens and latencies by interval and group. A member gets their own.
#[utoipa::path(
    get,
    path = "/api/v1/usage/summary",
    tag = "usage",
    params(SummaryParams),
    responses((status = 200, body = UsageSummary))
)]
pub(super) async fn get_usage_summary(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsage>,
    QueryOf(params): QueryOf<SummaryParams>,
) -> Result<Json<UsageSummary>, Problem> {
    let currency = app.currency();
    let query = query_of(params, app.clock().now())?;
    let rows = app.usage_summary(&caller, query.clone()).await.map_err(|error| match error {
        AppError::Invalid(invalid) => Problem::bad_query(invalid),
        other => other.into(),
    })?;
    let mut total = Sums::default();
    for row in &rows {
        total.add(&row.sums);
    }
    Ok(Json(UsageSummary {
        from: Timestamp::from_micros(query.from),
        to: Timestamp::from_micros(query.to),
        interval: query.interval,
        items: rows.into_iter().map(|row| item(&query.group_by, row, currency)).collect(),
        group_by: query.group_by,
        total: UsageSums::of(&total, currency),
    }))
}

fn query_of(params: SummaryParams, now: UnixMicros) -> Result<SummaryQuery, Problem> {
    let SummaryParams {
        from,
        to,
        group_by,
        interval,
        service_id,
        access_key_id,
        user_id,
        model,
        provider_id,
        upstream_key_id,
    } = params;
    let minute = Granularity::Minute;
    let to = minute.floor(to.map_or(now, Timestamp::micros) + minute.micros() - 1);
    let from = minute.floor(from.map_or(to - Granularity::Day.micros(), Timestamp::micros));
    if from >= to {
        return Err(Problem::bad_query(Invalid::field("from", "must be before `to`")));
    }
    let model = model.map(storable);
    Ok(SummaryQuery {
        from,
        to,
        interval,
        group_by,
        service_id,
        access_key_id,
        user_id,
        model,
        provider_id,
        upstream_key_id,
    })
}

fn item(group_by: &[Dimension], row: SummaryRow, currency: Currency) -> SummaryItem {
    let SummaryRow { bucket_at, group, sums } = row;
    let mut item = SummaryItem {
        start: bucket_at.map(Timestamp::from_micros),
        sums: UsageSums::of(&sums, currency),
        ..SummaryItem::default()
    };
    for (dimension, value) in group_by.iter().zip(group) {
        let field = match dimension {
            Dimension::Service => &mut item.service_id,
            Dimension::AccessKey => &mut item.access_key_id,
            Dimension::User => &mut item.user_id,
            Dimension::Model => &mut item.model,
            Dimension::Provider => &mut item.provider_id,
            Dimension::UpstreamKey => &mut item.upstream_key_id,
        };
        *field = Some(if value.is_empty() { None } else { Some(value) });
    }
    item
}

impl UsageSums {
    fn of(sums: &Sums, currency: Currency) -> Self {
        let cost = Cost { amount: Money::from_micros(sums.cost_micros), currency };
        Self {
            requests: sums.requests,
            errors: sums.errors(),
            client_errors: sums.client_errors,
            refused: sums.refused,
            upstream_errors: sums.upstream_errors,
            client_closed: sums.client_closed,
            interrupted: sums.interrupted,
            input_tokens: sums.tokens.input(),
            output_tokens: sums.tokens.output,
            cached_tokens: sums.tokens.cache_read,
            cache_write_tokens: sums.tokens.cache_write_5m + sums.tokens.cache_write_1h,
            reasoning_tokens: sums.tokens.reasoning,
            cost: (sums.priced > 0).then(|| cost.into()),
            unpriced_requests: sums.unpriced,
            latency_ms: latency(sums.duration_us, sums.requests, &sums.durations),
            ttft_ms: latency(sums.ttft_us, sums.ttft_count(), &sums.ttfts),
        }
    }
}

fn latency(total_us: i64, count: i64, histogram: &Histogram) -> Latency {
    let percentile = |share| percentile_ms(histogram, share).map(|milliseconds| (milliseconds * 10.0).round() / 10.0);
    Latency {
        mean: total_us.checked_div(count).map(millis),
        p50: percentile(0.5),
        p90: percentile(0.9),
        p95: percentile(0.95),
        p99: percentile(0.99),
    }
}
