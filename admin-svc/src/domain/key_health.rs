//! The health of upstream keys, as proxies report it and as the control plane puts it together. No I/O.
//!
//! The unit is key × model, because a provider limits each model by itself; a key as a whole is as well as the worst of
//! its models. What a probe found belongs to the key as a whole.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProxyId, UpstreamKeyId},
};

use super::text_enum::text_enum;

mod combine;

pub use combine::{Assessment, KeyView, assess};

text_enum! {
    /// How a key is, or a model of it.
    pub enum KeyState {
        /// The provider answered it well when it was last asked.
        Healthy = "healthy",
        /// Nothing is known: it was neither used nor probed lately.
        Unknown = "unknown",
        /// Rate limited or overloaded; left alone until a time.
        Cooling = "cooling",
        /// It failed too often, and is being tried again with one request at a time.
        HalfOpen = "half_open",
        /// It failed too often, and is left alone for a while.
        Ejected = "ejected",
        /// The provider does not answer probes.
        Unreachable = "unreachable",
        /// Its quota is used up.
        Spent = "spent",
        /// The provider does not take the credential.
        Refused = "refused",
        /// Switched off by its status: neither used nor probed.
        Disabled = "disabled",
    }
}

impl KeyState {
    /// The larger, the less use it is.
    pub const fn severity(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Healthy => 1,
            Self::Cooling => 2,
            Self::HalfOpen => 3,
            Self::Ejected => 4,
            Self::Unreachable => 5,
            Self::Spent => 6,
            Self::Refused => 7,
            Self::Disabled => 8,
        }
    }

    /// It failed, and a probe may show that the provider is back.
    pub const fn awaits_recovery(self) -> bool {
        matches!(self, Self::HalfOpen | Self::Ejected | Self::Unreachable)
    }

    /// Nothing speaks against its use.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Healthy | Self::Unknown)
    }
}

/// How attempts ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct OutcomeCounts {
    pub ok: u64,
    pub rate_limited: u64,
    pub overloaded: u64,
    pub server_error: u64,
    pub refused: u64,
    pub timed_out: u64,
    pub connect_failed: u64,
    pub connection_lost: u64,
    pub spent: u64,
}

impl OutcomeCounts {
    pub const fn total(&self) -> u64 {
        let Self {
            ok,
            rate_limited,
            overloaded,
            server_error,
            refused,
            timed_out,
            connect_failed,
            connection_lost,
            spent,
        } = *self;
        let limited = rate_limited.saturating_add(overloaded).saturating_add(spent);
        let failed =
            server_error.saturating_add(timed_out).saturating_add(connect_failed).saturating_add(connection_lost);
        ok.saturating_add(limited).saturating_add(failed).saturating_add(refused)
    }

    pub fn add(&mut self, other: &Self) {
        let Self {
            ok,
            rate_limited,
            overloaded,
            server_error,
            refused,
            timed_out,
            connect_failed,
            connection_lost,
            spent,
        } = other;
        for (mine, theirs) in [
            (&mut self.ok, ok),
            (&mut self.rate_limited, rate_limited),
            (&mut self.overloaded, overloaded),
            (&mut self.server_error, server_error),
            (&mut self.refused, refused),
            (&mut self.timed_out, timed_out),
            (&mut self.connect_failed, connect_failed),
            (&mut self.connection_lost, connection_lost),
            (&mut self.spent, spent),
        ] {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

/// What a proxy says of a key and a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyModelReport {
    pub upstream_key_id: UpstreamKeyId,
    /// Absent: the key as a whole.
    pub model: Option<String>,
    pub state: KeyState,
    pub reason: String,
    pub until: Option<UnixMicros>,
    /// Since the report before, and seen by the proxy itself.
    pub outcomes: OutcomeCounts,
    pub ttft_us: Option<u64>,
    pub in_flight: u32,
}

/// A model of a key, of several proxies put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHealth {
    /// Absent: the key as a whole.
    pub model: Option<String>,
    pub state: KeyState,
    pub reason: String,
    pub until: Option<UnixMicros>,
    /// Of the last five minutes.
    pub outcomes: OutcomeCounts,
    pub ttft_us: Option<u64>,
    pub in_flight: u64,
    /// When the last outcome of any kind was reported, and the last good one.
    pub outcome_at: Option<UnixMicros>,
    pub ok_at: Option<UnixMicros>,
}

/// What a proxy last said of a key: the worst of its models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyView {
    pub proxy_id: ProxyId,
    pub state: KeyState,
    pub reported_at: UnixMicros,
}

/// What one replica's proxies say of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaView {
    pub models: Vec<ModelHealth>,
    pub proxies: Vec<ProxyView>,
}

text_enum! {
    /// What proxies are told of a key.
    pub enum Verdict {
        Recovered = "recovered",
        Refused = "refused",
        Unreachable = "unreachable",
        CoolingUntil = "cooling_until",
    }
}

/// Something that proxies are told of a key, and that counts for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub upstream_key_id: UpstreamKeyId,
    /// Absent: all of its models.
    pub model: Option<String>,
    pub verdict: Verdict,
    pub until: Option<UnixMicros>,
    pub reason: String,
    /// The proxy that it comes from, which knows it already.
    pub origin: Option<ProxyId>,
    pub made_at: UnixMicros,
    pub expires_at: UnixMicros,
}
