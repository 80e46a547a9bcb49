//! An upstream: which protocol it speaks and where it is.

use serde::{Deserialize, Serialize};
use tollgate_shared::{address::AddressPolicy, ids::ProviderId, limits::Timeouts};

use super::{
    stamp::Stamp,
    text_enum::text_enum,
    validation::{Invalid, Violations},
};

mod base_url;

text_enum! {
    /// The protocol that a provider speaks.
    pub enum ProviderKind {
        Openai = "openai",
        Anthropic = "anthropic",
        Gemini = "gemini",
        OpenaiCompatible = "openai_compatible",
    }
}

/// What a caller may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// Unique.
    pub name: String,
    pub kind: ProviderKind,
    /// An origin (`https://api.openai.com`): a client's path is appended as it is. Or an origin with a path, which
    /// then replaces the protocol's version prefix (`/v1`, `/v1beta`).
    #[schema(example = "https://api.openai.com")]
    pub base_url: String,
    #[serde(default)]
    pub timeouts: Timeouts,
}

impl ProviderSpec {
    /// The spec with its base URL normalised.
    pub fn validated(mut self, policy: &AddressPolicy) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.timeouts("timeouts", &self.timeouts);
        match base_url::normalised(&self.base_url, policy) {
            Ok(url) => self.base_url = url,
            Err(message) => violations.add("base_url", message),
        }
        violations.finish().map(|()| self)
    }
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Provider {
    pub id: ProviderId,
    #[serde(flatten)]
    pub spec: ProviderSpec,
    /// Names that the provider listed when it was last asked.
    pub models: Vec<String>,
    #[serde(flatten)]
    pub stamp: Stamp,
}
