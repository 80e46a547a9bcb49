//! The secret that an application presents: whose it is, for which service, within which limits.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    access_key::AccessKeyMac,
    ids::{AccessKeyId, ServiceId, UserId},
    limits::{Budget, Limits},
};

use super::{
    stamp::Stamp,
    text_enum::text_enum,
    timestamp::Timestamp,
    validation::{Invalid, Violations},
};

text_enum! {
    /// Whether an access key is accepted. A revoked one never is again.
    pub enum AccessKeyStatus {
        Active = "active",
        Revoked = "revoked",
    }
}

/// What a caller may write, and change later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeySpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Model names or patterns; empty = every model of the service.
    #[serde(default)]
    pub models: Vec<String>,
    /// Networks in CIDR notation, or single addresses; empty = everyone.
    #[serde(default)]
    pub ip_allow: Vec<String>,
}

impl AccessKeySpec {
    /// The spec with its networks in their normal form.
    pub fn validated(mut self) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.limits("limits", &self.limits);
        violations.budget("budget", self.budget.as_ref());
        violations.models("models", &self.models);
        violations.networks("ip_allow", &mut self.ip_allow);
        violations.finish().map(|()| self)
    }
}

/// The body of a create.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccessKey {
    pub service_id: ServiceId,
    /// The owner; absent = the caller. A member cannot name another.
    #[serde(default)]
    pub user_id: Option<UserId>,
    pub name: String,
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Model names or patterns; absent or empty = every model of the service.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(nullable)]
    pub models: Vec<String>,
    /// Networks in CIDR notation, or single addresses; absent or empty = everyone.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(nullable)]
    pub ip_allow: Vec<String>,
}

impl NewAccessKey {
    pub fn into_parts(self) -> (ServiceId, Option<UserId>, AccessKeySpec) {
        let Self { service_id, user_id, name, expires_at, limits, budget, models, ip_allow } = self;
        (service_id, user_id, AccessKeySpec { name, expires_at, limits, budget, models, ip_allow })
    }
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A secret that was replaced and is accepted for a while longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    pub mac: AccessKeyMac,
    pub until: Timestamp,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AccessKey {
    pub id: AccessKeyId,
    pub service_id: ServiceId,
    pub user_id: UserId,
    #[serde(flatten)]
    pub spec: AccessKeySpec,
    /// The secret's first characters, so that a person recognises it.
    #[schema(example = "tg_x1Y2z3A4")]
    pub prefix: String,
    pub status: AccessKeyStatus,
    #[serde(flatten)]
    pub stamp: Stamp,
    #[serde(skip)]
    pub mac: AccessKeyMac,
    #[serde(skip)]
    pub previous: Option<PreviousSecret>,
}

/// The part of an access key that the database holds as one document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessKeyDefinition {
    pub(crate) limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
    pub(crate) models: Vec<String>,
    pub(crate) ip_allow: Vec<String>,
}

impl From<&AccessKeySpec> for AccessKeyDefinition {
    fn from(spec: &AccessKeySpec) -> Self {
        let AccessKeySpec { name: _, expires_at: _, limits, budget, models, ip_allow } = spec.clone();
        Self { limits, budget, models, ip_allow }
    }
}
