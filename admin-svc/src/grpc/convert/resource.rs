//! Resources on their way to a proxy.

use tollgate_proto as proto;
use tollgate_shared::{
    limits::{Budget, LeaseMode, Limits, Period, Timeouts},
    money::Money,
};

use crate::crypto::access_key_token::PublicTokenKey;
use crate::domain::{
    access_key::{AccessKey, AccessKeySpec, AccessKeyStatus},
    key_pool::{KeyPool, KeyPoolSpec},
    price::{Price, PriceSpec},
    provider::{Provider, ProviderKind, ProviderSpec},
    published::{Owner, Resource, Settings},
    service::{
        Affinity, AffinitySource, CacheScope, FallbackCondition, LimitsMode, ResponseCache, Retry, Route, Security,
        Service, ServiceSpec, Strategy, Target,
    },
    timestamp::Timestamp,
    upstream_key::{UpstreamKey, UpstreamKeySpec},
};

pub(in crate::grpc) fn resource(resource: &Resource) -> proto::Resource {
    use proto::resource::Resource as Message;
    let message = match resource {
        Resource::Settings(it) => Message::Settings(settings(it)),
        Resource::Provider(it) => Message::Provider(provider(it)),
        Resource::KeyPool(it) => Message::KeyPool(key_pool(it)),
        Resource::UpstreamKey { key, secret } => Message::UpstreamKey(upstream_key(key, secret.expose())),
        Resource::Service(it) => Message::Service(service(it)),
        Resource::User(it) => Message::User(user(it)),
        Resource::AccessKey(it) => Message::AccessKey(access_key(it)),
        Resource::Price(it) => Message::Price(price(it)),
    };
    proto::Resource { resource: Some(message) }
}

fn settings(settings: &Settings) -> proto::Settings {
    let Settings { access_key_pepper, access_token_keys } = settings;
    let access_token_keys = access_token_keys.iter().map(|key| {
        let PublicTokenKey { id, public_key } = key;
        proto::TokenKey { id: id.clone(), public_key: public_key.clone() }
    });
    proto::Settings { access_key_pepper: access_key_pepper.to_vec(), access_token_keys: access_token_keys.collect() }
}

fn provider(provider: &Provider) -> proto::Provider {
    let Provider { id, spec, models, stamp: _ } = provider;
    let ProviderSpec { name, kind, base_url, timeouts, responses_api } = spec;
    let kind = match kind {
        ProviderKind::Openai => proto::ProviderKind::Openai,
        ProviderKind::Anthropic => proto::ProviderKind::Anthropic,
        ProviderKind::Gemini => proto::ProviderKind::Gemini,
        ProviderKind::OpenaiCompatible => proto::ProviderKind::OpenaiCompatible,
    };
    proto::Provider {
        id: id.to_string(),
        name: name.clone(),
        kind: kind.into(),
        base_url: base_url.clone(),
        timeouts: Some(self::timeouts(timeouts)),
        responses_api: *responses_api,
        models: models.clone(),
    }
}

fn key_pool(pool: &KeyPool) -> proto::KeyPool {
    let KeyPool { id, spec: KeyPoolSpec { name, provider_id }, stamp: _ } = pool;
    proto::KeyPool { id: id.to_string(), name: name.clone(), provider_id: provider_id.to_string() }
}

fn upstream_key(key: &UpstreamKey, secret: &str) -> proto::UpstreamKey {
    let UpstreamKey { id, spec, fingerprint: _, stamp: _, sealed_secret: _, secret_digest: _ } = key;
    let UpstreamKeySpec { pool_id, name, weight, priority, limits, quota_group, status } = spec;
    proto::UpstreamKey {
        id: id.to_string(),
        pool_id: pool_id.to_string(),
        name: name.clone(),
        secret: secret.to_owned(),
        weight: *weight,
        priority: *priority,
        limits: Some(self::limits(limits)),
        enabled: status.is_active(),
        quota_group: quota_group.clone().unwrap_or_default(),
    }
}

fn service(service: &Service) -> proto::Service {
    let Service { id, spec, stamp: _ } = service;
    let ServiceSpec {
        name,
        slug,
        status,
        strategy,
        routes,
        retry: Retry { max_attempts },
        timeouts,
        limits,
        limits_mode,
        budget,
        security: Security { ip_allow, ip_deny, require_signature },
        hidden_headers,
        affinity,
        response_cache,
    } = spec;
    let strategy = match strategy {
        Strategy::RoundRobin => proto::Strategy::RoundRobin,
        Strategy::Weighted => proto::Strategy::Weighted,
        Strategy::HealthBest => proto::Strategy::HealthBest,
    };
    proto::Service {
        id: id.to_string(),
        name: name.clone(),
        slug: slug.clone(),
        enabled: status.is_active(),
        strategy: strategy.into(),
        routes: routes.iter().map(route).collect(),
        max_attempts: *max_attempts,
        timeouts: Some(self::timeouts(timeouts)),
        limits: Some(self::limits(limits)),
        hidden_headers: hidden_headers.clone(),
        ip_allow: ip_allow.clone(),
        ip_deny: ip_deny.clone(),
        affinity: affinity.as_ref().map(self::affinity),
        limits_mode: match limits_mode {
            LimitsMode::Enforce => proto::LimitsMode::Enforce.into(),
            LimitsMode::Shadow => proto::LimitsMode::Shadow.into(),
        },
        budget: budget.as_ref().map(self::budget),
        require_signature: *require_signature,
        response_cache: response_cache.as_ref().map(self::response_cache),
    }
}

fn affinity(affinity: &Affinity) -> proto::Affinity {
    let Affinity { by, header } = affinity;
    let by = by.iter().map(|source| match source {
        AffinitySource::PromptCacheKey => proto::AffinitySource::PromptCacheKey.into(),
        AffinitySource::MetadataUserId => proto::AffinitySource::MetadataUserId.into(),
        AffinitySource::Header => proto::AffinitySource::Header.into(),
    });
    proto::Affinity { by: by.collect(), header: header.clone() }
}

fn user(owner: &Owner) -> proto::User {
    let Owner { id, status, limits, budget } = owner;
    proto::User {
        id: id.to_string(),
        limits: Some(self::limits(limits)),
        disabled: !status.is_active(),
        budget: budget.as_ref().map(self::budget),
    }
}

fn response_cache(cache: &ResponseCache) -> proto::ResponseCache {
    let ResponseCache { ttl_seconds, max_entry_bytes, scope } = cache;
    let scope = match scope {
        CacheScope::AccessKey => proto::CacheScope::AccessKey,
        CacheScope::Service => proto::CacheScope::Service,
    };
    proto::ResponseCache { ttl_seconds: *ttl_seconds, max_entry_bytes: *max_entry_bytes, scope: scope.into() }
}

fn route(route: &Route) -> proto::Route {
    let Route { models, targets, fallback_on } = route;
    proto::Route {
        models: models.clone(),
        targets: targets.iter().map(target).collect(),
        fallback: fallback_on.as_deref().map(fallback),
    }
}

fn fallback(conditions: &[FallbackCondition]) -> proto::FallbackPolicy {
    let on = conditions.iter().map(|condition| match condition {
        FallbackCondition::RateLimited => proto::FallbackCondition::RateLimited.into(),
        FallbackCondition::Overloaded => proto::FallbackCondition::Overloaded.into(),
        FallbackCondition::ServerError => proto::FallbackCondition::ServerError.into(),
        FallbackCondition::Timeout => proto::FallbackCondition::Timeout.into(),
        FallbackCondition::CredentialsRefused => proto::FallbackCondition::CredentialsRefused.into(),
        FallbackCondition::ContextWindow => proto::FallbackCondition::ContextWindow.into(),
        FallbackCondition::ContentPolicy => proto::FallbackCondition::ContentPolicy.into(),
    });
    proto::FallbackPolicy { on: on.collect() }
}

fn target(target: &Target) -> proto::Target {
    let Target { pool_id, model, weight, priority, default_max_tokens } = target;
    proto::Target {
        pool_id: pool_id.to_string(),
        model: model.clone(),
        weight: *weight,
        priority: *priority,
        default_max_tokens: *default_max_tokens,
    }
}

fn access_key(key: &AccessKey) -> proto::AccessKey {
    let AccessKey { id, service_id, user_id, spec, prefix: _, status, stamp: _, mac, previous } = key;
    let AccessKeySpec { name, expires_at, limits, budget, models, ip_allow } = spec;
    proto::AccessKey {
        id: id.to_string(),
        service_id: service_id.to_string(),
        user_id: user_id.to_string(),
        name: name.clone(),
        mac: mac.to_vec(),
        previous_mac: previous.map(|previous| previous.mac.to_vec()).unwrap_or_default(),
        previous_until_unix_ms: previous.map(|previous| millis(previous.until)).unwrap_or_default(),
        expires_at_unix_ms: expires_at.map(millis),
        enabled: *status == AccessKeyStatus::Active,
        limits: Some(self::limits(limits)),
        models: models.clone(),
        ip_allow: ip_allow.clone(),
        budget: budget.as_ref().map(self::budget),
    }
}

fn budget(budget: &Budget) -> proto::Budget {
    let Budget { amount, currency, period, hard, lease } = budget;
    let period = match period {
        Period::Day => proto::BudgetPeriod::Day,
        Period::Week => proto::BudgetPeriod::Week,
        Period::Month => proto::BudgetPeriod::Month,
        Period::Total => proto::BudgetPeriod::Total,
    };
    proto::Budget {
        amount_micros: amount.micros(),
        currency: currency.clone(),
        period: period.into(),
        hard: *hard,
        single: *lease == LeaseMode::Single,
    }
}

fn price(price: &Price) -> proto::Price {
    let Price { id, spec, stamp: _ } = price;
    let PriceSpec {
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
    } = spec;
    proto::Price {
        id: id.to_string(),
        provider_id: provider_id.map(|id| id.to_string()),
        model: model.clone(),
        currency: currency.clone().unwrap_or_default(),
        input: input.micros(),
        output: output.micros(),
        cache_read: cache_read.map(Money::micros),
        cache_write_5m: cache_write_5m.map(Money::micros),
        cache_write_1h: cache_write_1h.map(Money::micros),
        input_audio: input_audio.map(Money::micros),
        output_audio: output_audio.map(Money::micros),
        input_image: input_image.map(Money::micros),
    }
}

fn limits(limits: &Limits) -> proto::Limits {
    let Limits { rpm, tpm, rpd, concurrency } = limits;
    proto::Limits { rpm: *rpm, tpm: *tpm, rpd: *rpd, concurrency: *concurrency }
}

fn timeouts(timeouts: &Timeouts) -> proto::Timeouts {
    let Timeouts { connect_ms, first_byte_ms, idle_ms, total_ms } = timeouts;
    proto::Timeouts { connect_ms: *connect_ms, first_byte_ms: *first_byte_ms, idle_ms: *idle_ms, total_ms: *total_ms }
}

fn millis(at: Timestamp) -> i64 {
    at.micros() / 1_000
}
