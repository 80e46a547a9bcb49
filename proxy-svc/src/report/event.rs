//! What is known of a request: before it goes upstream ([`Intent`]) and when it is over ([`Event`]).
//!
//! Plain data; the fields are those of `UsageEvent` in `proto/tollgate/v1/usage.proto`.

use std::{borrow::Cow, time::Duration};

use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
    money::Cost,
};

/// The client's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    OpenAi,
    Anthropic,
    Gemini,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    /// The request itself was at fault: a 4xx of the upstream, passed back.
    ClientError,
    /// Tollgate refused it.
    Refused,
    UpstreamError,
    /// The client left before the end.
    ClientClosed,
    /// The proxy died before the end was known.
    Interrupted,
}

/// How one try against one upstream key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    Ok,
    RateLimited,
    Overloaded,
    ServerError,
    CredentialsRefused,
    ClientError,
    ConnectFailed,
    TimedOut,
    ConnectionLost,
    ClientClosed,
}

/// What the service's response cache had to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheUse {
    /// It had no answer; a provider was asked.
    Miss,
    /// The answer came from it and no provider was asked: the event's usage is what the answer used when it was made.
    Hit,
    /// It was not asked, because the request says so or names something that is stored.
    Bypass,
}

/// Where usage figures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UsageSource {
    /// The provider's final figures.
    Provider,
    /// A cut stream: the provider's last cumulative figures.
    Partial,
    /// The provider told none.
    #[default]
    Estimated,
}

/// Tokens of a request. `input_uncached + cache_read + cache_write_5m + cache_write_1h` is the prompt;
/// `output` includes `reasoning`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input_uncached: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub output: u64,
    pub reasoning: u64,
    /// Part of the input, where the provider tells it; so are the next two of output and input.
    pub input_audio: u64,
    pub output_audio: u64,
    pub input_image: u64,
    pub source: UsageSource,
    /// The provider's own usage object as it came (JSON).
    pub raw: Option<Box<str>>,
}

/// One try against one upstream key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub provider_id: ProviderId,
    pub upstream_key_id: UpstreamKeyId,
    pub model: Box<str>,
    pub started_at: UnixMicros,
    pub duration: Duration,
    /// The upstream's HTTP status.
    pub status: Option<u16>,
    pub outcome: AttemptOutcome,
    /// Why this candidate: one word.
    pub reason: Cow<'static, str>,
    /// What went wrong, in words without secrets; empty when nothing did.
    pub detail: Cow<'static, str>,
}

/// The budgets that a request held a reservation of when it went out: what it costs is spent of what they lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    pub service: bool,
    pub user: bool,
    pub access_key: bool,
}

/// What is known before the first byte goes upstream.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    pub request_id: RequestId,
    pub started_at: UnixMicros,
    pub service_id: ServiceId,
    pub access_key_id: AccessKeyId,
    pub user_id: UserId,
    pub protocol: Protocol,
    pub stream: bool,
    pub model_requested: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// What is reported as input if the proxy dies before the provider told its figures; 0 when nothing is known.
    pub estimated_input: u64,
    /// What that input costs, as far as it is known.
    pub estimated_cost: Option<Cost>,
    /// Absent in records of older programs.
    pub reserved: Option<Reserved>,
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub request_id: RequestId,
    pub started_at: UnixMicros,
    pub duration: Duration,
    /// Until the first byte of the answer's body went to the client.
    pub ttft: Option<Duration>,
    /// The HTTP status that the client got.
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub protocol: Protocol,
    pub stream: bool,
    /// Absent, as the next two, when the caller was not recognised.
    pub service_id: Option<ServiceId>,
    pub access_key_id: Option<AccessKeyId>,
    pub user_id: Option<UserId>,
    pub model_requested: Option<Box<str>>,
    /// Of the attempt that answered, as the next two.
    pub model_served: Option<Box<str>>,
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
    pub attempts: Vec<Attempt>,
    /// Absent when nothing reached a provider.
    pub usage: Option<Tokens>,
    /// Absent when nothing was used, and when the model had no price.
    pub cost: Option<Cost>,
    /// The path without its query.
    pub path: Box<str>,
    /// A refusal's or failure's code, e.g. `model_not_found`.
    pub error_code: Option<Cow<'static, str>>,
    /// Absent where there is no cache, or it keeps nothing of this kind.
    pub cache: Option<CacheUse>,
    /// Absent in records of older programs.
    pub reserved: Option<Reserved>,
}
