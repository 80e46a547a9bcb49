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

impl ProviderKind {
    /// Whether its upstreams may offer the Responses API at all.
    pub const fn may_offer_responses(self) -> bool {
        matches!(self, Self::Openai | Self::OpenaiCompatible)
    }

    /// Whether an upstream offers the Responses API when nothing is said about it.
    pub const fn offers_responses(self) -> bool {
        matches!(self, Self::Openai)
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
    /// Whether the provider offers OpenAI's Responses API itself; where it does not, calls of it are translated to chat
    /// completions. Left out: `true` for `openai`, else `false`. Never `true` for `anthropic` and `gemini`.
    #[serde(default)]
    pub responses_api: Option<bool>,
}

impl ProviderSpec {
    /// The spec with its base URL normalised, and with its kind's default where it says nothing.
    pub fn validated(mut self, policy: &AddressPolicy) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.timeouts("timeouts", &self.timeouts);
        match base_url::normalised(&self.base_url, policy) {
            Ok(url) => self.base_url = url,
            Err(message) => violations.add("base_url", message),
        }
        let offered = *self.responses_api.get_or_insert(self.kind.offers_responses());
        let fits = !offered || self.kind.may_offer_responses();
        violations.require(fits, "responses_api", "must be false: this kind of provider has no Responses API");
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
