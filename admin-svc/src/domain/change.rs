//! Which kinds of resources proxies hold.

use std::{fmt, str::FromStr};

/// A kind of resource in the change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    Settings,
    Provider,
    KeyPool,
    UpstreamKey,
    Service,
    AccessKey,
    Price,
}

/// The id of the one resource of kind [`ResourceKind::Settings`].
pub const SETTINGS_ID: &str = "settings";

impl ResourceKind {
    pub const ALL: [Self; 7] =
        [Self::Settings, Self::Provider, Self::KeyPool, Self::UpstreamKey, Self::Service, Self::AccessKey, Self::Price];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Provider => "provider",
            Self::KeyPool => "key_pool",
            Self::UpstreamKey => "upstream_key",
            Self::Service => "service",
            Self::AccessKey => "access_key",
            Self::Price => "price",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a kind of resource.
#[derive(Debug, thiserror::Error)]
#[error("not a kind of resource")]
pub struct UnknownKind;

impl FromStr for ResourceKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}
