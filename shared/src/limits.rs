//! The shapes of limits, budgets and time-outs, as the control plane's API and the proxy know them.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// How much may pass; absent = unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpd: Option<u64>,
    /// Requests at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
}

/// Milliseconds; absent = the wider scope's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// Connection and TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u32>,
    /// From the request sent to the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u32>,
    /// Between two bytes of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u32>,
    /// The whole request, all attempts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u32>,
}

/// The window after which a budget is full again; calendar windows in UTC, weeks from Monday on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Week,
    Month,
    Total,
}

/// How much may be spent in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub amount: Money,
    pub currency: String,
    pub period: Period,
    /// Hard: requests are refused when it is spent. Soft: it is reported only.
    #[serde(default = "hard_by_default")]
    pub hard: bool,
    /// How proxies borrow from it.
    #[serde(default, skip_serializing_if = "LeaseMode::is_ahead")]
    pub lease: LeaseMode,
}

/// How proxies borrow from a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LeaseMode {
    /// A share ahead of need: requests run at the same time on every proxy.
    #[default]
    Ahead,
    /// One request at a time, over all proxies, and each reserves the most that it can cost.
    Single,
}

impl LeaseMode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    const fn is_ahead(&self) -> bool {
        matches!(self, Self::Ahead)
    }
}

const fn hard_by_default() -> bool {
    true
}
