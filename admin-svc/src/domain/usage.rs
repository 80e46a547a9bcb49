//! What one request used: the event as the control plane keeps it, and the sums that are built from events.
//!
//! Events arrive checked (`grpc::convert` does it), so nothing here can fail; and nothing here knows how they travel,
//! are stored or shown.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, ProxyId, RequestId, ServiceId, UpstreamKeyId, UserId},
    money::Cost,
};

use super::text_enum::text_enum;

mod query;
mod rollup;

pub use query::{Dimension, EventFilter, EventPosition, SummaryPiece, SummaryQuery, SummaryRow, merge};
pub use rollup::{
    BOUNDS_MS, BUCKETS, Granularity, Histogram, Rollup, RollupKey, Series, SeriesId, Sums, percentile_ms, roll_up,
};

text_enum! {
    /// How a request ended.
    pub enum Outcome {
        Ok = "ok",
        ClientError = "client_error",
        Refused = "refused",
        UpstreamError = "upstream_error",
        ClientClosed = "client_closed",
        Interrupted = "interrupted",
    }
}

text_enum! {
    /// How one try ended.
    pub enum AttemptOutcome {
        Ok = "ok",
        RateLimited = "rate_limited",
        Overloaded = "overloaded",
        ServerError = "server_error",
        CredentialsRefused = "credentials_refused",
        ClientError = "client_error",
        ConnectFailed = "connect_failed",
        TimedOut = "timed_out",
        ConnectionLost = "connection_lost",
        ClientClosed = "client_closed",
    }
}

text_enum! {
    /// Whose language the client spoke.
    pub enum Protocol {
        OpenAi = "openai",
        Anthropic = "anthropic",
        Gemini = "gemini",
    }
}

text_enum! {
    /// Where the token figures come from.
    pub enum UsageSource {
        Provider = "provider",
        Partial = "partial",
        Estimated = "estimated",
    }
}

text_enum! {
    /// What the service's response cache had to do with a request.
    pub enum CacheUse {
        Miss = "miss",
        /// The answer came from it: no provider was asked, and nothing was used.
        Hit = "hit",
        Bypass = "bypass",
    }
}

/// One request. Ids are absent where the request did not get that far.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageEvent {
    pub request_id: RequestId,
    pub started_at: UnixMicros,
    pub duration_us: i64,
    /// Until the first byte of the answer's body went to the client.
    pub ttft_us: Option<i64>,
    /// 0: none was sent.
    pub status: u16,
    pub outcome: Outcome,
    pub protocol: Protocol,
    pub stream: bool,
    pub service_id: Option<ServiceId>,
    pub access_key_id: Option<AccessKeyId>,
    pub user_id: Option<UserId>,
    pub model_requested: String,
    /// Of the attempt that answered, as the next two.
    pub model_served: String,
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
    pub tokens: Tokens,
    /// Absent: nothing was used.
    pub source: Option<UsageSource>,
    /// Absent: nothing was used, or the model had no price.
    pub cost: Option<Cost>,
    /// Empty when all went well.
    pub error_code: String,
    pub detail: EventDetail,
    /// The proxy that sent it; known on the way in only.
    pub reported_by: Option<ProxyId>,
    /// As that; absent from an older proxy.
    pub reserved: Option<Reserved>,
}

/// The budgets that the request held a reservation of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    pub service: bool,
    pub user: bool,
    pub access_key: bool,
}

/// What nobody filters or adds up by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventDetail {
    pub path: String,
    pub attempts: Vec<Attempt>,
    /// The provider's own usage object, as it came.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub raw: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_audio: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_audio: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_image: i64,
    /// Absent where there is no cache, or it keeps nothing of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUse>,
}

impl UsageEvent {
    /// What was used at a provider: of an answer that was made before, nothing.
    pub fn tokens_used(&self) -> Tokens {
        if self.detail.cache == Some(CacheUse::Hit) { Tokens::default() } else { self.tokens }
    }
}

/// One try against one upstream key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
    pub model: String,
    pub started_at: UnixMicros,
    pub duration_us: i64,
    /// 0: none came.
    pub status: u16,
    pub outcome: AttemptOutcome,
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// `input_uncached + cache_read + cache_write_5m + cache_write_1h` is the prompt; `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input_uncached: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
}

/// An event that cannot be counted, kept to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedEvent {
    /// Absent where it is not known any more.
    pub proxy_id: Option<ProxyId>,
    pub reason: String,
    /// The message as it came.
    pub message: Vec<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(value: &i64) -> bool {
    *value == 0
}
