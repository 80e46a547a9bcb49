//! From the protocol's messages to checked values, resource by resource.
//!
//! Each conversion takes its message apart, so that a new field breaks the build here and nowhere else. What refers
//! to another resource stays an id: whether that one exists is [`super::holdings`]'s question. Messages never quote a
//! value of a field that holds a secret.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use http::{HeaderName, HeaderValue, header};
use ipnet::IpNet;
use tollgate_dialect::Protocol;
use tollgate_proto as proto;
use tollgate_shared::{
    access_key::{AccessKeyMac, Pepper},
    clock::UnixMicros,
    ids::{AccessKeyId, KeyPoolId, ProviderId, ServiceId, UpstreamKeyId, UserId},
    limits::{LeaseMode, Limits, Period, Timeouts},
    money::{Currency, InvalidCurrency, Money},
    secret::Secret,
};

use super::{
    AccessKey, Affinity, AffinitySource, BaseUrl, Budget, CacheScope, FallbackCondition, FallbackOn, LimitsMode,
    Provider, ProviderKind, ResponseCache, Service, Strategy, TokenKey, User, prices::PriceSpec,
};
use crate::{
    limits::Counted,
    meter::price::{Price, Rates},
    route::pattern::Pattern,
};

mod base_url;

/// What a service that says nothing about it may try, all attempts together.
const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// Far above any provider's; a header value must stay bounded.
const MAX_SECRET_BYTES: usize = 8 << 10;
/// What a service that says nothing about it keeps of one answer.
const DEFAULT_MAX_ENTRY_BYTES: u32 = 1 << 20;
/// Of a provider's list; far above any provider's.
const MAX_MODELS: usize = 10_000;
const MAX_MODEL_CHARACTERS: usize = 256;
/// For a million tokens: the control plane takes no higher one.
const MAX_RATE_MICROS: i64 = 1_000_000_000_000;
/// Far above the two that a change of key needs.
const MAX_TOKEN_KEYS: usize = 8;

/// Why a resource was refused. Goes back to the control plane as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path, e.g. `routes[0].targets[1].pool_id`.
    pub field: String,
    pub message: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    fn within(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), ..self }
    }
}

/// What all proxies share.
pub(super) struct SettingsSpec {
    pub pepper: Pepper,
    pub token_keys: Vec<TokenKey>,
}

/// A pool, before its provider is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PoolSpec {
    pub id: KeyPoolId,
    pub name: Box<str>,
    pub provider_id: ProviderId,
}

/// An upstream key, before its pool's provider tells in which header it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpstreamKeySpec {
    pub id: UpstreamKeyId,
    pub pool_id: KeyPoolId,
    pub name: Box<str>,
    secret: Secret,
    pub weight: u32,
    pub priority: u32,
    pub limits: Limits,
    pub enabled: bool,
    pub quota_group: Option<Box<str>>,
}

/// A service, before its pools are looked up: its routes stand apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceSpec {
    /// Without routes.
    pub service: Service,
    pub routes: Vec<RouteSpec>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouteSpec {
    pub models: Vec<Pattern>,
    pub targets: Vec<TargetSpec>,
    pub fallback_on: FallbackOn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetSpec {
    pub pool_id: KeyPoolId,
    pub model: Option<Box<str>>,
    pub weight: u32,
    pub priority: u32,
    pub default_max_tokens: Option<u32>,
}

/// An access key, before its service is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccessKeySpec {
    pub id: AccessKeyId,
    pub service_id: ServiceId,
    pub mac: AccessKeyMac,
    pub previous_mac: Option<Box<AccessKeyMac>>,
    pub user_id: UserId,
    name: Box<str>,
    expires_at: Option<UnixMicros>,
    previous_until: UnixMicros,
    enabled: bool,
    pub limits: Limits,
    models: Arc<[Pattern]>,
    ip_allow: Arc<[IpNet]>,
    budget: Option<Budget>,
}

impl AccessKeySpec {
    pub(super) fn resolved(self, service: Arc<Service>, user: Option<Arc<User>>, counted: Counted) -> AccessKey {
        let Self { id, user_id, name, expires_at, previous_until, enabled, limits, models, ip_allow, budget, .. } =
            self;
        AccessKey {
            id,
            service,
            user_id,
            name,
            expires_at,
            previous_until,
            enabled,
            limits,
            counted,
            user,
            models,
            ip_allow,
            budget,
        }
    }
}

impl UpstreamKeySpec {
    /// The header in which a provider of this kind takes the key, and its value.
    pub(super) fn credential(&self, kind: ProviderKind) -> Result<(HeaderName, HeaderValue), FieldError> {
        let secret = self.secret.expose();
        let (name, value) = match kind {
            ProviderKind::Openai | ProviderKind::OpenaiCompatible => {
                (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {secret}")))
            }
            ProviderKind::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(secret)),
            ProviderKind::Gemini => (HeaderName::from_static("x-goog-api-key"), HeaderValue::from_str(secret)),
        };
        let mut value = value.map_err(|_| FieldError::new("secret", "cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

impl TryFrom<proto::Provider> for Provider {
    type Error = FieldError;

    fn try_from(message: proto::Provider) -> Result<Self, FieldError> {
        let kind = message.kind();
        let proto::Provider { id, name, kind: _, base_url, timeouts, responses_api, models } = message;
        let kind = match kind {
            proto::ProviderKind::Openai => ProviderKind::Openai,
            proto::ProviderKind::Anthropic => ProviderKind::Anthropic,
            proto::ProviderKind::Gemini => ProviderKind::Gemini,
            proto::ProviderKind::OpenaiCompatible => ProviderKind::OpenaiCompatible,
            proto::ProviderKind::Unspecified => return Err(FieldError::new("kind", "not a known kind of provider")),
        };
        Ok(Self {
            id: parse_id("id", &id)?,
            name: name.into(),
            kind,
            base: BaseUrl::from_str(&base_url).map_err(|error| FieldError::new("base_url", error.to_string()))?,
            timeouts: convert_timeouts(timeouts)?,
            responses_api: kind.protocol() == Protocol::OpenAi
                && responses_api.unwrap_or_else(|| kind.offers_responses()),
            models: convert_models(models),
        })
    }
}

impl TryFrom<proto::KeyPool> for PoolSpec {
    type Error = FieldError;

    fn try_from(message: proto::KeyPool) -> Result<Self, FieldError> {
        let proto::KeyPool { id, name, provider_id } = message;
        Ok(Self { id: parse_id("id", &id)?, name: name.into(), provider_id: parse_id("provider_id", &provider_id)? })
    }
}

impl TryFrom<proto::UpstreamKey> for UpstreamKeySpec {
    type Error = FieldError;

    fn try_from(message: proto::UpstreamKey) -> Result<Self, FieldError> {
        let proto::UpstreamKey { id, pool_id, name, secret, weight, priority, limits, enabled, quota_group } = message;
        let secret = Secret::new(secret);
        let plain = secret.expose();
        if plain.is_empty() || plain.len() > MAX_SECRET_BYTES || !plain.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(FieldError::new("secret", "must be visible ASCII characters, at most 8192"));
        }
        Ok(Self {
            id: parse_id("id", &id)?,
            pool_id: parse_id("pool_id", &pool_id)?,
            name: name.into(),
            secret,
            weight,
            priority,
            limits: convert_limits(limits),
            enabled,
            quota_group: (!quota_group.is_empty()).then(|| quota_group.into()),
        })
    }
}

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

impl TryFrom<proto::AccessKey> for AccessKeySpec {
    type Error = FieldError;

    fn try_from(message: proto::AccessKey) -> Result<Self, FieldError> {
        let proto::AccessKey {
            id,
            service_id,
            user_id,
            name,
            mac,
            previous_mac,
            previous_until_unix_ms,
            expires_at_unix_ms,
            enabled,
            limits,
            models,
            ip_allow,
            budget,
        } = message;
        let previous_mac = match previous_mac.as_slice() {
            [] => None,
            bytes => Some(Box::new(convert_mac("previous_mac", bytes)?)),
        };
        Ok(Self {
            id: parse_id("id", &id)?,
            service_id: parse_id("service_id", &service_id)?,
            mac: convert_mac("mac", &mac)?,
            previous_mac,
            user_id: parse_id("user_id", &user_id)?,
            name: name.into(),
            expires_at: expires_at_unix_ms.map(micros),
            previous_until: micros(previous_until_unix_ms),
            enabled,
            limits: convert_limits(limits),
            models: each("models", &models, parse_pattern)?.into(),
            ip_allow: each("ip_allow", &ip_allow, parse_network)?.into(),
            budget: convert_budget(budget)?,
        })
    }
}

impl TryFrom<proto::User> for User {
    type Error = FieldError;

    fn try_from(message: proto::User) -> Result<Self, FieldError> {
        let proto::User { id, limits } = message;
        Ok(Self { id: parse_id("id", &id)?, limits: convert_limits(limits), counted: Counted::default() })
    }
}

impl TryFrom<proto::Price> for PriceSpec {
    type Error = FieldError;

    fn try_from(message: proto::Price) -> Result<Self, FieldError> {
        let proto::Price {
            id,
            provider_id,
            model,
            currency,
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            input_audio,
            output_audio,
            input_image,
        } = message;
        let rates = Rates {
            input: convert_rate("input", input)?,
            output: convert_rate("output", output)?,
            cache_read: cache_read.map(|rate| convert_rate("cache_read", rate)).transpose()?,
            cache_write_5m: cache_write_5m.map(|rate| convert_rate("cache_write_5m", rate)).transpose()?,
            cache_write_1h: cache_write_1h.map(|rate| convert_rate("cache_write_1h", rate)).transpose()?,
            input_audio: input_audio.map(|rate| convert_rate("input_audio", rate)).transpose()?,
            output_audio: output_audio.map(|rate| convert_rate("output_audio", rate)).transpose()?,
            input_image: input_image.map(|rate| convert_rate("input_image", rate)).transpose()?,
        };
        Ok(Self {
            id: parse_id("id", &id)?,
            provider_id: provider_id.map(|id| parse_id("provider_id", &id)).transpose()?,
            model: parse_pattern(&model).map_err(|message| FieldError::new("model", message))?,
            price: Price::new(parse_currency("currency", &currency)?, rates),
        })
    }
}

/// The bound keeps every cost of a possible request within its type.
fn convert_rate(field: &str, micros: i64) -> Result<i64, FieldError> {
    if (0..=MAX_RATE_MICROS).contains(&micros) { Ok(micros) } else { Err(FieldError::new(field, "out of range")) }
}

fn convert_budget(message: Option<proto::Budget>) -> Result<Option<Budget>, FieldError> {
    let Some(message) = message else { return Ok(None) };
    let period = match message.period() {
        proto::BudgetPeriod::Day => Period::Day,
        proto::BudgetPeriod::Week => Period::Week,
        proto::BudgetPeriod::Month => Period::Month,
        proto::BudgetPeriod::Total => Period::Total,
        proto::BudgetPeriod::Unspecified => return Err(FieldError::new("budget.period", "not a known period")),
    };
    let proto::Budget { amount_micros, currency, period: _, hard, single } = message;
    if amount_micros < 0 {
        return Err(FieldError::new("budget.amount_micros", "must not be below 0"));
    }
    Ok(Some(Budget {
        amount: Money::from_micros(amount_micros),
        currency: parse_currency("budget.currency", &currency)?,
        period,
        hard,
        lease: if single { LeaseMode::Single } else { LeaseMode::Ahead },
    }))
}

fn parse_currency(field: &str, text: &str) -> Result<Currency, FieldError> {
    text.parse().map_err(|error: InvalidCurrency| FieldError::new(field, error.to_string()))
}

impl TryFrom<proto::Settings> for SettingsSpec {
    type Error = FieldError;

    fn try_from(message: proto::Settings) -> Result<Self, FieldError> {
        let proto::Settings { access_key_pepper, access_token_keys } = message;
        if access_key_pepper.len() != 32 {
            return Err(FieldError::new("access_key_pepper", "must be 32 bytes"));
        }
        if access_token_keys.len() > MAX_TOKEN_KEYS {
            return Err(FieldError::new("access_token_keys", "must not be more than 8"));
        }
        let token_keys = access_token_keys.into_iter().enumerate().map(|(index, key)| {
            TokenKey::try_from(key).map_err(|error| error.within(&format!("access_token_keys[{index}]")))
        });
        Ok(Self { pepper: Pepper::new(&access_key_pepper), token_keys: token_keys.collect::<Result<_, _>>()? })
    }
}

impl TryFrom<proto::TokenKey> for TokenKey {
    type Error = FieldError;

    fn try_from(message: proto::TokenKey) -> Result<Self, FieldError> {
        let proto::TokenKey { id, public_key } = message;
        if id.is_empty() {
            return Err(FieldError::new("id", "must not be empty"));
        }
        let public_key = public_key.try_into().map_err(|_| FieldError::new("public_key", "must be 32 bytes"))?;
        Ok(Self { id: id.into(), public_key })
    }
}

fn convert_limits(message: Option<proto::Limits>) -> Limits {
    let proto::Limits { rpm, tpm, rpd, concurrency } = message.unwrap_or_default();
    Limits { rpm, tpm, rpd, concurrency }
}

fn convert_timeouts(message: Option<proto::Timeouts>) -> Result<Timeouts, FieldError> {
    let proto::Timeouts { connect_ms, first_byte_ms, idle_ms, total_ms } = message.unwrap_or_default();
    let named = [
        ("timeouts.connect_ms", connect_ms),
        ("timeouts.first_byte_ms", first_byte_ms),
        ("timeouts.idle_ms", idle_ms),
        ("timeouts.total_ms", total_ms),
    ];
    if let Some((field, _)) = named.iter().find(|(_, value)| *value == Some(0)) {
        return Err(FieldError::new(*field, "must be at least 1"));
    }
    Ok(Timeouts { connect_ms, first_byte_ms, idle_ms, total_ms })
}

/// The names are a provider's, not an administrator's, so what cannot be one is left out instead of refused.
fn convert_models(names: Vec<String>) -> Arc<[Box<str>]> {
    let is_name = |name: &String| {
        !name.is_empty() && name.chars().count() <= MAX_MODEL_CHARACTERS && !name.chars().any(char::is_control)
    };
    names.into_iter().filter(is_name).take(MAX_MODELS).map(String::into_boxed_str).collect()
}

fn convert_mac(field: &str, bytes: &[u8]) -> Result<AccessKeyMac, FieldError> {
    bytes.try_into().map_err(|_| FieldError::new(field, "must be 32 bytes"))
}

fn parse_id<T: FromStr>(field: &str, text: &str) -> Result<T, FieldError> {
    text.parse().map_err(|_| FieldError::new(field, "not a UUID"))
}

fn parse_pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

/// A network, or a single address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "not a network in CIDR notation".to_owned())
}

fn each<T>(field: &str, texts: &[String], parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, FieldError> {
    let parsed = texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse(text).map_err(|message| FieldError::new(format!("{field}[{index}]"), message)));
    parsed.collect()
}

const fn micros(millis: i64) -> UnixMicros {
    millis.saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
