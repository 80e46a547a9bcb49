//! Upstream keys of one provider that are scheduled together.

use serde::{Deserialize, Serialize};
use tollgate_shared::ids::{KeyPoolId, ProviderId};

use super::{
    stamp::Stamp,
    validation::{Invalid, Violations},
};

/// What a caller may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPoolSpec {
    /// Unique.
    pub name: String,
    pub provider_id: ProviderId,
}

impl KeyPoolSpec {
    pub fn validated(self) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.finish().map(|()| self)
    }
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyPool {
    pub id: KeyPoolId,
    #[serde(flatten)]
    pub spec: KeyPoolSpec,
    #[serde(flatten)]
    pub stamp: Stamp,
}
