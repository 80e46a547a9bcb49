//! A usage event as the API shows it.

use serde::Serialize;
use tollgate_shared::{
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
    money::{Cost, Money},
};

use super::parameters::millis;
use crate::domain::{
    timestamp::Timestamp,
    usage::{Attempt, AttemptOutcome, CacheUse, EventDetail, Outcome, Protocol, Tokens, UsageEvent, UsageSource},
};

/// One request and its attempts. Ids are null where the request did not get that far.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = UsageEvent)]
pub(super) struct UsageEventBody {
    /// The `x-request-id` that the client got.
    request_id: RequestId,
    started_at: Timestamp,
    duration_ms: f64,
    /// Until the first byte of the answer's body; null when there was none.
    ttft_ms: Option<f64>,
    /// The HTTP status that the client got; 0 when none was sent.
    status: u16,
    outcome: Outcome,
    protocol: Protocol,
    stream: bool,
    /// What the service's response cache had to do with it; null where it has none, or it keeps nothing of this kind.
    cache: Option<CacheUse>,
    path: String,
    /// A refusal's or failure's code, e.g. `model_not_found`; null when all went well.
    error_code: Option<String>,
    service_id: Option<ServiceId>,
    access_key_id: Option<AccessKeyId>,
    user_id: Option<UserId>,
    model_requested: Option<String>,
    /// Of the attempt that answered, as the next two.
    model_served: Option<String>,
    provider_id: Option<ProviderId>,
    upstream_key_id: Option<UpstreamKeyId>,
    attempts: Vec<AttemptBody>,
    /// Of a cache's `hit`, what the answer used when it was made: the hit itself used nothing, and is in no sum.
    usage: UsageBody,
    /// Null when nothing was used, and when the model had no price.
    cost: Option<CostBody>,
}

/// One try against one upstream key.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = UsageAttempt)]
struct AttemptBody {
    provider_id: Option<ProviderId>,
    upstream_key_id: Option<UpstreamKeyId>,
    model: String,
    started_at: Timestamp,
    duration_ms: f64,
    /// The upstream's HTTP status; 0 when none came.
    status: u16,
    outcome: AttemptOutcome,
    /// Why this candidate: `first`, `affinity`, `next_key`, `next_target`, `half_open`, `least_bad` or `pinned`.
    reason: String,
    /// What went wrong, in words; null when nothing did.
    detail: Option<String>,
}

/// Tokens. `input_uncached + cache_read + cache_write_5m + cache_write_1h` is the prompt; `output` includes `reasoning`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = UsageTokens)]
struct UsageBody {
    input_uncached: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    output: i64,
    reasoning: i64,
    /// Where the figures come from; null when nothing was used.
    source: Option<UsageSource>,
    /// Parts of the above, where the provider tells them.
    input_audio: i64,
    output_audio: i64,
    input_image: i64,
}

/// What something cost.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Cost)]
pub(super) struct CostBody {
    amount: Money,
    #[schema(example = "USD")]
    currency: String,
}

impl From<Cost> for CostBody {
    fn from(cost: Cost) -> Self {
        let Cost { amount, currency } = cost;
        Self { amount, currency: currency.to_string() }
    }
}

impl From<UsageEvent> for UsageEventBody {
    fn from(event: UsageEvent) -> Self {
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
            tokens,
            source,
            cost,
            error_code,
            reported_by: _,
            reserved: _,
            detail: EventDetail { path, attempts, raw: _, input_audio, output_audio, input_image, cache },
        } = event;
        let Tokens { input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning } = tokens;
        Self {
            request_id,
            started_at: Timestamp::from_micros(started_at),
            duration_ms: millis(duration_us),
            ttft_ms: ttft_us.map(millis),
            status,
            outcome,
            protocol,
            stream,
            cache,
            path,
            error_code: filled(error_code),
            service_id,
            access_key_id,
            user_id,
            model_requested: filled(model_requested),
            model_served: filled(model_served),
            provider_id,
            upstream_key_id,
            attempts: attempts.into_iter().map(AttemptBody::from).collect(),
            usage: UsageBody {
                input_uncached,
                cache_read,
                cache_write_5m,
                cache_write_1h,
                output,
                reasoning,
                source,
                input_audio,
                output_audio,
                input_image,
            },
            cost: cost.map(CostBody::from),
        }
    }
}

impl From<Attempt> for AttemptBody {
    fn from(attempt: Attempt) -> Self {
        let Attempt { provider_id, upstream_key_id, model, started_at, duration_us, status, outcome, reason, detail } =
            attempt;
        Self {
            provider_id,
            upstream_key_id,
            model,
            started_at: Timestamp::from_micros(started_at),
            duration_ms: millis(duration_us),
            status,
            outcome,
            reason,
            detail: filled(detail),
        }
    }
}

fn filled(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}
