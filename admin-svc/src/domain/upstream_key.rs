//! One credential at a provider. Its secret goes in and never comes out again, except to proxies.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    ids::{KeyPoolId, UpstreamKeyId},
    limits::Limits,
    secret::Secret,
};

use super::{
    stamp::Stamp,
    status::Status,
    validation::{Invalid, Violations},
};
use crate::crypto::envelope::{Cell, Keyring, SealError};

const LONGEST_SECRET: usize = 4_096;
const HIGHEST_WEIGHT: u32 = 10_000;
const HIGHEST_PRIORITY: u32 = 1_000;

/// What a caller may write, but for the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamKeySpec {
    pub pool_id: KeyPoolId,
    pub name: String,
    /// Its share of the traffic among keys of the same priority; 0 takes it out.
    #[serde(default = "one")]
    pub weight: u32,
    /// Lower is tried first.
    #[serde(default)]
    pub priority: u32,
    #[serde(default)]
    pub limits: Limits,
    /// Keys with the same one share the provider's rate limits, as keys of one account do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_group: Option<String>,
    #[serde(default = "Status::active")]
    pub status: Status,
}

impl UpstreamKeySpec {
    pub fn validated(self) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.limits("limits", &self.limits);
        let concurrency = "limits.concurrency";
        violations.require(self.limits.concurrency.is_none(), concurrency, "an upstream key has no such limit");
        if let Some(group) = &self.quota_group {
            violations.name("quota_group", group);
        }
        violations.require(self.weight <= HIGHEST_WEIGHT, "weight", "must not be above 10000");
        violations.require(self.priority <= HIGHEST_PRIORITY, "priority", "must not be above 1000");
        violations.finish().map(|()| self)
    }
}

/// The body of a create.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpstreamKey {
    pub pool_id: KeyPoolId,
    pub name: String,
    /// The provider's credential; write-only.
    #[schema(value_type = String, write_only)]
    pub secret: Secret,
    #[serde(default = "one")]
    pub weight: u32,
    #[serde(default)]
    pub priority: u32,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub quota_group: Option<String>,
    #[serde(default = "Status::active")]
    pub status: Status,
}

impl NewUpstreamKey {
    pub fn into_parts(self) -> (UpstreamKeySpec, Secret) {
        let Self { pool_id, name, secret, weight, priority, limits, quota_group, status } = self;
        (UpstreamKeySpec { pool_id, name, weight, priority, limits, quota_group, status }, secret)
    }
}

/// A credential that can stand in a header; blanks around it (a copied line's end) are dropped.
pub fn validated_secret(secret: &Secret) -> Result<Secret, Invalid> {
    let text = secret.expose().trim();
    if text.is_empty() || text.len() > LONGEST_SECRET {
        return Err(Invalid::field("secret", "must have 1 to 4096 characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Invalid::field("secret", "must have only printable ASCII characters and no blanks"));
    }
    Ok(Secret::new(text.to_owned()))
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UpstreamKey {
    pub id: UpstreamKeyId,
    #[serde(flatten)]
    pub spec: UpstreamKeySpec,
    /// The secret's first and last characters, so that a person recognises it.
    #[schema(example = "sk-…a1B2")]
    pub fingerprint: String,
    #[serde(flatten)]
    pub stamp: Stamp,
    #[serde(skip)]
    pub sealed_secret: String,
    #[serde(skip)]
    pub secret_digest: String,
}

impl UpstreamKey {
    /// The cell that a key's secret is sealed for.
    pub fn secret_cell(id: &str) -> Cell<'_> {
        Cell { table: "upstream_keys", id, column: "sealed_secret" }
    }

    /// The secret in clear: for proxies and for a test of the key.
    pub fn unseal(&self, keyring: &Keyring) -> Result<Secret, SealError> {
        let id = self.id.to_string();
        let bytes = keyring.unseal(Self::secret_cell(&id), &self.sealed_secret)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError::Malformed)?;
        Ok(Secret::new(text.to_owned()))
    }
}

const fn one() -> u32 {
    1
}
