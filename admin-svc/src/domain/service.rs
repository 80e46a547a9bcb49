//! What an application calls: which models go where, how they are scheduled, what is allowed.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    ids::{KeyPoolId, ServiceId},
    limits::{Budget, Limits, Timeouts},
};

use super::{stamp::Stamp, status::Status, text_enum::text_enum};

mod validate;

text_enum! {
    /// How the next upstream key is picked among a route's candidates.
    pub enum Strategy {
        RoundRobin = "round_robin",
        Weighted = "weighted",
        HealthBest = "health_best",
    }
}

text_enum! {
    /// Who shares the answers that are kept.
    pub enum CacheScope {
        AccessKey = "access_key",
        /// All access keys of the service.
        Service = "service",
    }
}

text_enum! {
    /// How a target failed, where another one of its route may take over.
    pub enum FallbackCondition {
        RateLimited = "rate_limited",
        Overloaded = "overloaded",
        ServerError = "server_error",
        Timeout = "timeout",
        CredentialsRefused = "credentials_refused",
        /// The request does not fit the model's context.
        ContextWindow = "context_window",
        /// The provider refused the request for its content policy.
        ContentPolicy = "content_policy",
    }
}

text_enum! {
    /// Where the name of a request's session stands.
    pub enum AffinitySource {
        /// OpenAI's member of the body.
        PromptCacheKey = "prompt_cache_key",
        /// Anthropic's member of the body.
        MetadataUserId = "metadata.user_id",
        Header = "header",
    }
}

text_enum! {
    /// What becomes of a request that the limits of the service, its access keys or their users do not let through.
    pub enum LimitsMode {
        /// It is refused.
        Enforce = "enforce",
        /// It is served, counted and reported: for trying limits out.
        Shadow = "shadow",
    }
}

/// What a caller may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    pub name: String,
    /// Unique; lower-case letters, digits and hyphens.
    #[schema(example = "chat-production")]
    pub slug: String,
    #[serde(default = "Status::active")]
    pub status: Status,
    #[serde(default = "round_robin")]
    pub strategy: Strategy,
    /// The first route with a matching model wins.
    pub routes: Vec<Route>,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default = "enforce")]
    pub limits_mode: LimitsMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default)]
    pub security: Security,
    /// Response headers that are switched off, such as `x-tollgate-cost`.
    #[serde(default)]
    pub hidden_headers: Vec<String>,
    /// Absent = requests of one session may meet any key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Absent = answers are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_cache: Option<ResponseCache>,
}

/// Requests of one session go to the same key while it can serve, so that the provider's cache of prompts is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Affinity {
    /// What names a session; the first one that a request has counts.
    #[schema(example = json!(["prompt_cache_key", "metadata.user_id", "header"]))]
    pub by: Vec<AffinitySource>,
    /// For `header`: which one.
    #[serde(default = "session_header")]
    pub header: String,
}

/// Answers are kept in the proxies' memory, and given again to whoever asks exactly the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseCache {
    /// How old an answer may be, 1 to 86400.
    #[schema(example = 3600)]
    pub ttl_seconds: u32,
    /// A longer answer is not kept, 1 to 16777216; absent = 1048576.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_entry_bytes: Option<u32>,
    /// Who shares what is kept.
    #[serde(default = "per_access_key")]
    pub scope: CacheScope,
}

/// Models and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Model names; `*` stands for any run of characters.
    #[schema(example = json!(["gpt-*"]))]
    pub models: Vec<String>,
    pub targets: Vec<Target>,
    /// When another target may take over; absent = all but `context_window` and `content_policy`, empty = never.
    /// Other keys of the same target are tried either way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_on: Option<Vec<FallbackCondition>>,
}

/// A key pool, and the model to ask it for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub pool_id: KeyPoolId,
    /// The upstream's model name; absent = the name that the caller asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default = "one")]
    pub weight: u32,
    /// Lower is tried first.
    #[serde(default)]
    pub priority: u32,
    /// The limit on output tokens, at least 1, where the caller set none and the target's protocol demands one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_tokens: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// All attempts together, 1 to 10; absent = 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
}

/// Who may call. Networks in CIDR notation, or single addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Empty = everyone.
    #[serde(default)]
    pub ip_allow: Vec<String>,
    #[serde(default)]
    pub ip_deny: Vec<String>,
    /// Whether requests must be signed (RFC 9421).
    #[serde(default)]
    pub require_signature: bool,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Service {
    pub id: ServiceId,
    #[serde(flatten)]
    pub spec: ServiceSpec,
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// The part of a service that the database holds as one document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceDefinition {
    pub(crate) routes: Vec<Route>,
    pub(crate) retry: Retry,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    #[serde(default = "enforce")]
    pub(crate) limits_mode: LimitsMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
    pub(crate) security: Security,
    pub(crate) hidden_headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) affinity: Option<Affinity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response_cache: Option<ResponseCache>,
}

impl From<&ServiceSpec> for ServiceDefinition {
    fn from(spec: &ServiceSpec) -> Self {
        let ServiceSpec {
            name: _,
            slug: _,
            status: _,
            strategy: _,
            routes,
            retry,
            timeouts,
            limits,
            limits_mode,
            budget,
            security,
            hidden_headers,
            affinity,
            response_cache,
        } = spec.clone();
        Self {
            routes,
            retry,
            timeouts,
            limits,
            limits_mode,
            budget,
            security,
            hidden_headers,
            affinity,
            response_cache,
        }
    }
}

const fn round_robin() -> Strategy {
    Strategy::RoundRobin
}

fn session_header() -> String {
    "x-session-id".to_owned()
}

const fn enforce() -> LimitsMode {
    LimitsMode::Enforce
}

const fn per_access_key() -> CacheScope {
    CacheScope::AccessKey
}

const fn one() -> u32 {
    1
}
