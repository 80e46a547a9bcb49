//! What is called: services, and their routes to where models are served.

use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;
use tollgate_shared::{
    ids::ServiceId,
    limits::{Limits, Timeouts},
};

use super::{Budget, FallbackOn, Fingerprint, LimitsMode, Pool};
use crate::{
    health::Health,
    limits::Counted,
    route::{Rosters, pattern::Pattern},
};

/// How a service chooses among the keys that may serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    RoundRobin,
    Weighted,
    HealthBest,
}

/// What an application calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    pub name: Box<str>,
    pub slug: Box<str>,
    pub enabled: bool,
    pub strategy: Strategy,
    /// The first one that matches wins.
    pub routes: Vec<Route>,
    /// All attempts together, at least 1.
    pub max_attempts: u32,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub counted: Counted,
    pub limits_mode: LimitsMode,
    /// Response headers that are switched off, lower case.
    pub hidden_headers: Vec<HeaderName>,
    /// Empty = everyone.
    pub ip_allow: Vec<IpNet>,
    pub ip_deny: Vec<IpNet>,
    /// Absent = requests of one session may meet any key.
    pub affinity: Option<Affinity>,
    pub budget: Option<Budget>,
    /// Requests must be signed.
    pub require_signature: bool,
    /// Absent = answers are not kept.
    pub response_cache: Option<ResponseCache>,
}

/// What names the session of a request, whose requests go to the same key while it can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// The first one that a request has counts.
    pub by: Vec<AffinitySource>,
}

/// Where a session's name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AffinitySource {
    /// OpenAI's member of the body.
    PromptCacheKey,
    /// Anthropic's `metadata.user_id`.
    MetadataUserId,
    Header(HeaderName),
}

/// Which answers a service keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCache {
    /// How old an answer may be, at least 1.
    pub ttl_seconds: u32,
    /// A longer answer is not kept.
    pub max_entry_bytes: usize,
    pub scope: CacheScope,
}

/// Who shares what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    AccessKey,
    /// All access keys of the service.
    Service,
}

/// Models, and where they are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub models: Vec<Pattern>,
    /// May be empty: what it pointed at is gone.
    pub targets: Vec<Target>,
    /// When another target may take over.
    pub fallback_on: FallbackOn,
    /// The targets' keys in the order in which they are tried.
    pub rosters: Arc<Rosters>,
    /// Of the targets: answers that others gave are not given again.
    pub fingerprint: Fingerprint,
}

impl Route {
    /// With the default conditions for another target. `previous`: of the service before, whose turns go on.
    pub fn new(models: Vec<Pattern>, targets: Vec<Target>, health: &Health, previous: Option<&Self>) -> Self {
        let rosters = Arc::new(Rosters::new(&targets, health, previous.map(|route| &*route.rosters)));
        let fingerprint = Fingerprint::of(&targets);
        Self { models, targets, fallback_on: FallbackOn::default(), rosters, fingerprint }
    }

    #[must_use]
    pub fn with_fallback(self, fallback_on: FallbackOn) -> Self {
        Self { fallback_on, ..self }
    }
}

/// A pool, and the model's name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pool: Arc<Pool>,
    /// Absent = the name that the caller asked for.
    pub model: Option<Box<str>>,
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    /// The limit on output tokens where the caller set none and the target's protocol demands one, at least 1;
    /// absent = the built-in default.
    pub default_max_tokens: Option<u32>,
}
