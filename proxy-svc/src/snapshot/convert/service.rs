//! A service: its routes, what it wants of sessions and of its cache.

use http::HeaderName;
use tollgate_proto as proto;

use super::{
    FieldError, RouteSpec, ServiceSpec, TargetSpec, convert_limits, convert_timeouts, each, money::convert_budget,
    parse_id, parse_network, parse_pattern,
};
use crate::{
    limits::Counted,
    snapshot::{
        Affinity, AffinitySource, CacheScope, FallbackCondition, FallbackOn, LimitsMode, ResponseCache, Service,
        Strategy,
    },
};

/// What a service that says nothing about it may try, all attempts together.
const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// What a service that says nothing about it keeps of one answer.
const DEFAULT_MAX_ENTRY_BYTES: u32 = 1 << 20;

impl TryFrom<proto::Service> for ServiceSpec {
    type Error = FieldError;

    fn try_from(message: proto::Service) -> Result<Self, FieldError> {
        let (strategy, limits_mode) = (message.strategy(), message.limits_mode());
        let proto::Service {
            id,
            name,
            slug,
            enabled,
            strategy: _,
            routes,
            max_attempts,
            timeouts,
            limits,
            hidden_headers,
            ip_allow,
            ip_deny,
            affinity,
            limits_mode: _,
            budget,
            require_signature,
            response_cache,
        } = message;
        let max_attempts = max_attempts.unwrap_or(DEFAULT_MAX_ATTEMPTS);
        if max_attempts == 0 {
            return Err(FieldError::new("max_attempts", "must be at least 1"));
        }
        let service = Service {
            id: parse_id("id", &id)?,
            name: name.into(),
            slug: slug.into(),
            enabled,
            strategy: match strategy {
                proto::Strategy::RoundRobin => Strategy::RoundRobin,
                proto::Strategy::Weighted => Strategy::Weighted,
                proto::Strategy::HealthBest => Strategy::HealthBest,
                proto::Strategy::Unspecified => return Err(FieldError::new("strategy", "not a known strategy")),
            },
            routes: Vec::new(),
            max_attempts,
            timeouts: convert_timeouts(timeouts)?,
            limits: convert_limits(limits),
            counted: Counted::default(),
            limits_mode: match limits_mode {
                proto::LimitsMode::Enforce => LimitsMode::Enforce,
                proto::LimitsMode::Shadow => LimitsMode::Shadow,
            },
            hidden_headers: each("hidden_headers", &hidden_headers, |name| {
                name.parse::<HeaderName>().map_err(|_| "not the name of a header".to_owned())
            })?,
            ip_allow: each("ip_allow", &ip_allow, parse_network)?,
            ip_deny: each("ip_deny", &ip_deny, parse_network)?,
            affinity: affinity.map(Affinity::try_from).transpose().map_err(|error| error.within("affinity"))?,
            budget: convert_budget(budget)?,
            require_signature,
            response_cache: response_cache
                .map(ResponseCache::try_from)
                .transpose()
                .map_err(|error| error.within("response_cache"))?,
        };
        let routes = routes.into_iter().enumerate().map(|(index, route)| {
            RouteSpec::try_from(route).map_err(|error| error.within(&format!("routes[{index}]")))
        });
        Ok(Self { service, routes: routes.collect::<Result<_, _>>()? })
    }
}

impl TryFrom<proto::Affinity> for Affinity {
    type Error = FieldError;

    fn try_from(message: proto::Affinity) -> Result<Self, FieldError> {
        let proto::Affinity { by, header } = message;
        if by.is_empty() {
            return Err(FieldError::new("by", "must name at least one source"));
        }
        let sources = by.into_iter().enumerate().map(|(index, source)| {
            Ok(match proto::AffinitySource::try_from(source).unwrap_or_default() {
                proto::AffinitySource::PromptCacheKey => AffinitySource::PromptCacheKey,
                proto::AffinitySource::MetadataUserId => AffinitySource::MetadataUserId,
                proto::AffinitySource::Header => AffinitySource::Header(
                    header.parse().map_err(|_| FieldError::new("header", "not the name of a header"))?,
                ),
                proto::AffinitySource::Unspecified => {
                    return Err(FieldError::new(format!("by[{index}]"), "not a known source"));
                }
            })
        });
        Ok(Self { by: sources.collect::<Result<_, _>>()? })
    }
}

impl TryFrom<proto::ResponseCache> for ResponseCache {
    type Error = FieldError;

    fn try_from(message: proto::ResponseCache) -> Result<Self, FieldError> {
        let scope = message.scope();
        let proto::ResponseCache { ttl_seconds, max_entry_bytes, scope: _ } = message;
        let max_entry_bytes = max_entry_bytes.unwrap_or(DEFAULT_MAX_ENTRY_BYTES);
        for (field, value) in [("ttl_seconds", ttl_seconds), ("max_entry_bytes", max_entry_bytes)] {
            if value == 0 {
                return Err(FieldError::new(field, "must be at least 1"));
            }
        }
        Ok(Self {
            ttl_seconds,
            max_entry_bytes: usize::try_from(max_entry_bytes).unwrap_or(usize::MAX),
            scope: match scope {
                proto::CacheScope::Service => CacheScope::Service,
                proto::CacheScope::AccessKey | proto::CacheScope::Unspecified => CacheScope::AccessKey,
            },
        })
    }
}

impl TryFrom<proto::Route> for RouteSpec {
    type Error = FieldError;

    fn try_from(message: proto::Route) -> Result<Self, FieldError> {
        let proto::Route { models, targets, fallback } = message;
        let targets = targets.into_iter().enumerate().map(|(index, target)| {
            TargetSpec::try_from(target).map_err(|error| error.within(&format!("targets[{index}]")))
        });
        let fallback_on = fallback.map(FallbackOn::try_from).transpose().map_err(|error| error.within("fallback"))?;
        Ok(Self {
            models: each("models", &models, parse_pattern)?,
            targets: targets.collect::<Result<_, _>>()?,
            fallback_on: fallback_on.unwrap_or_default(),
        })
    }
}

impl TryFrom<proto::FallbackPolicy> for FallbackOn {
    type Error = FieldError;

    fn try_from(message: proto::FallbackPolicy) -> Result<Self, FieldError> {
        let proto::FallbackPolicy { on } = message;
        let conditions = on.into_iter().enumerate().map(|(index, condition)| {
            let condition = proto::FallbackCondition::try_from(condition).unwrap_or_default();
            FallbackCondition::try_from(condition).map_err(|message| FieldError::new(format!("on[{index}]"), message))
        });
        conditions.collect()
    }
}

impl TryFrom<proto::FallbackCondition> for FallbackCondition {
    type Error = &'static str;

    fn try_from(condition: proto::FallbackCondition) -> Result<Self, &'static str> {
        Ok(match condition {
            proto::FallbackCondition::RateLimited => Self::RateLimited,
            proto::FallbackCondition::Overloaded => Self::Overloaded,
            proto::FallbackCondition::ServerError => Self::ServerError,
            proto::FallbackCondition::Timeout => Self::Timeout,
            proto::FallbackCondition::CredentialsRefused => Self::CredentialsRefused,
            proto::FallbackCondition::ContextWindow => Self::ContextWindow,
            proto::FallbackCondition::ContentPolicy => Self::ContentPolicy,
            proto::FallbackCondition::Unspecified => return Err("not a known condition"),
        })
    }
}

impl TryFrom<proto::Target> for TargetSpec {
    type Error = FieldError;

    fn try_from(message: proto::Target) -> Result<Self, FieldError> {
        let proto::Target { pool_id, model, weight, priority, default_max_tokens } = message;
        if default_max_tokens == Some(0) {
            return Err(FieldError::new("default_max_tokens", "must be at least 1"));
        }
        Ok(Self {
            pool_id: parse_id("pool_id", &pool_id)?,
            model: model.filter(|model| !model.is_empty()).map(Into::into),
            weight,
            priority,
            default_max_tokens,
        })
    }
}
