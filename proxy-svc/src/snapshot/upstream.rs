//! Where models are served: providers, and the pools of keys to them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tollgate_dialect::Protocol;
use tollgate_shared::{
    ids::{KeyPoolId, ProviderId, UpstreamKeyId},
    limits::{Limits, Timeouts},
};

use crate::limits::Counted;

/// Upstream keys of one provider that are scheduled together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub id: KeyPoolId,
    pub name: Box<str>,
    pub provider: Arc<Provider>,
    /// The enabled ones, by priority, then id. May be empty.
    pub keys: Vec<Arc<UpstreamKey>>,
}

/// One credential at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamKey {
    pub id: UpstreamKeyId,
    pub name: Box<str>,
    /// As the provider wants it (`Bearer …` or bare); marked sensitive, so that its `Debug` shows nothing.
    pub credential: HeaderValue,
    pub credential_header: HeaderName,
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    pub limits: Limits,
    /// Keys of the same one share the provider's rate limits.
    pub quota_group: Option<Box<str>>,
    pub counted: Counted,
}

/// Whose protocol an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    Openai,
    Anthropic,
    Gemini,
    OpenaiCompatible,
}

impl ProviderKind {
    /// Whether it offers the Responses API when nothing is said about it.
    pub const fn offers_responses(self) -> bool {
        matches!(self, Self::Openai)
    }

    /// What it speaks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Openai | Self::OpenaiCompatible => Protocol::OpenAi,
            Self::Anthropic => Protocol::Anthropic,
            Self::Gemini => Protocol::Gemini,
        }
    }
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub id: ProviderId,
    pub name: Box<str>,
    pub kind: ProviderKind,
    pub base: BaseUrl,
    pub timeouts: Timeouts,
    /// Whether it offers OpenAI's Responses API itself; never of a kind that speaks another protocol.
    pub responses_api: bool,
    /// What it listed when the control plane last asked; empty while that is not known.
    pub models: Arc<[Box<str>]>,
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    pub https: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: Box<str>,
    pub port: u16,
    /// For the `Host` header: with the port where it is not the scheme's own.
    pub authority: HeaderValue,
    /// Replaces the protocol's version prefix (`/v1`, `/v1beta`): begins with `/`, does not end with one.
    pub path_prefix: Option<Box<str>>,
}
