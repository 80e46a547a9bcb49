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
    limits::{Limits, Timeouts},
    secret::Secret,
};

use super::{AccessKey, BaseUrl, Budget, FallbackOn, Provider, ProviderKind, Service, TokenKey, User};
use crate::{limits::Counted, route::pattern::Pattern};

mod base_url;
mod money;
mod service;

use money::convert_budget;

/// Far above any provider's; a header value must stay bounded.
const MAX_SECRET_BYTES: usize = 8 << 10;
/// Of a provider's list; far above any provider's.
const MAX_MODELS: usize = 10_000;
const MAX_MODEL_CHARACTERS: usize = 256;
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
        let proto::User { id, limits, disabled, budget } = message;
        let budget = match convert_budget(budget) {
            // One who is out must not stay in for a budget that cannot be read.
            Err(_) if disabled => None,
            budget => budget?,
        };
        Ok(Self {
            id: parse_id("id", &id)?,
            enabled: !disabled,
            limits: convert_limits(limits),
            counted: Counted::default(),
            budget,
        })
    }
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
