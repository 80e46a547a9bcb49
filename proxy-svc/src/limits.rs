//! How much may still pass: the counters of every scope that has limits, and what takes from them.
//!
//! Owns the counters ([`Counters`]), which live beside the snapshots and outlive them ([`Registry`]), and the one way to
//! take from them ([`Limiter::take`]): all scopes of a request together, or none. A request's [`Ledger`] has what it
//! took. Knows nothing of stages and of answers: `admit` decides when something is taken, `respond` says what came of it.
//!
//! Without Redis a proxy grants its share, the limit divided by the number of live proxies. With Redis all proxies
//! draw on one counter there ([`shared`]); while it does not answer, on their shares again. Nobody is unlimited at any
//! time, and nobody waits for Redis longer than [`Patience`] lets them.

use std::{fmt, sync::Arc, time::Duration};

use tollgate_shared::limits::Limits;

mod bucket;
mod counters;
mod day;
mod estimate;
mod ledger;
mod moment;
mod registry;
pub mod shared;
mod standing;
mod take;

pub(crate) use counters::Place;
pub use counters::{Counted, Counters};
pub(crate) use estimate::estimate;
pub(crate) use ledger::Ledger;
pub(crate) use moment::Timer;
pub use registry::Registry;
pub(crate) use standing::{Standing, Standings, put_duration, put_number};
pub(crate) use take::{Grant, Want, Wants};

use shared::Shared;

use crate::snapshot::AccessKey;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    AccessKey,
    User,
    Service,
    UpstreamKey,
    /// This proxy alone, by its own configuration.
    Proxy,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::AccessKey, Self::User, Self::Service, Self::UpstreamKey, Self::Proxy];

    /// In metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessKey => "access_key",
            Self::User => "user",
            Self::Service => "service",
            Self::UpstreamKey => "upstream_key",
            Self::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKey => "access key",
            Self::User => "user",
            Self::Service => "service",
            Self::UpstreamKey => "upstream key",
            Self::Proxy => "gateway",
        })
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    Requests,
    RequestsPerDay,
    Tokens,
    Concurrency,
}

impl Dimension {
    pub const ALL: [Self; 4] = [Self::Requests, Self::RequestsPerDay, Self::Tokens, Self::Concurrency];

    /// In metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::RequestsPerDay => "requests_per_day",
            Self::Tokens => "tokens_per_minute",
            Self::Concurrency => "concurrency",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "requests per minute",
            Self::RequestsPerDay => "requests per day",
            Self::Tokens => "tokens per minute",
            Self::Concurrency => "concurrent requests",
        })
    }
}

/// A limit that lets nothing through at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) scope: Scope,
    pub(crate) dimension: Dimension,
    /// When the same may pass, if nothing else does before.
    pub(crate) wait: Duration,
}

/// One scope of a request: its limits and its counters.
#[derive(Clone, Copy)]
pub(crate) struct Limited<'a> {
    pub(crate) scope: Scope,
    pub(crate) limits: &'a Limits,
    pub(crate) counters: &'a Arc<Counters>,
}

impl<'a> Limited<'a> {
    /// `None` for a scope without limits.
    pub(crate) fn new(scope: Scope, limits: &'a Limits, counted: &'a Counted) -> Option<Self> {
        Some(Self { scope, limits, counters: counted.counters()? })
    }

    /// Those of a caller, the narrowest first.
    pub(crate) fn of_caller(key: &'a AccessKey) -> impl Iterator<Item = Self> {
        let of_user = key.user.as_ref().and_then(|user| Self::new(Scope::User, &user.limits, &user.counted));
        [
            Self::new(Scope::AccessKey, &key.limits, &key.counted),
            of_user,
            Self::new(Scope::Service, &key.service.limits, &key.service.counted),
        ]
        .into_iter()
        .flatten()
    }

    /// What one request takes.
    pub(crate) fn one_request(self) -> impl Iterator<Item = Want<'a>> {
        let of = move |dimension, limit: Option<u64>| limit.map(|limit| self.want(dimension, limit, 1));
        [of(Dimension::Requests, self.limits.rpm), of(Dimension::RequestsPerDay, self.limits.rpd)].into_iter().flatten()
    }

    /// What so many tokens take.
    pub(crate) fn tokens(self, amount: u64) -> Option<Want<'a>> {
        self.limits.tpm.map(|limit| self.want(Dimension::Tokens, limit, amount))
    }

    fn want(self, dimension: Dimension, limit: u64, amount: u64) -> Want<'a> {
        Want { scope: self.scope, counters: self.counters, dimension, limit, amount }
    }
}

/// How long one request may still wait for Redis, all its questions together.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    /// A wait ends up to a few milliseconds late on a busy thread; no request is to wait longer than 50 ms.
    const WHOLE: Duration = Duration::from_millis(40);
    /// With less nobody asks: what is taken for a question that is given up is lost.
    const LEAST: Duration = Duration::from_millis(10);

    pub(crate) fn new() -> Self {
        Self(Self::WHOLE)
    }

    fn left(&self) -> Option<Duration> {
        (self.0 >= Self::LEAST).then_some(self.0)
    }

    fn spend(&mut self, waited: Duration) {
        self.0 = self.0.saturating_sub(waited);
    }

    /// It did not answer in time: this request does not ask again.
    fn lose(&mut self) {
        self.0 = Duration::ZERO;
    }
}

/// Takes from counters. One for the process.
pub struct Limiter {
    timer: Timer,
    registry: Arc<Registry>,
    shared: Option<Arc<Shared>>,
    own: Limits,
    own_counters: Counted,
}

impl Limiter {
    /// `own`: the limits of this proxy as a whole.
    pub(crate) fn new(registry: Arc<Registry>, shared: Option<Arc<Shared>>, own: Limits) -> Self {
        let own_counters = registry.counted(Scope::Proxy, uuid::Uuid::nil(), &own);
        Self { timer: Timer::system(), registry, shared, own, own_counters }
    }

    fn now(&self) -> moment::Moment {
        self.timer.now()
    }

    /// This proxy as a whole, where its configuration limits it.
    pub(crate) fn proxy(&self) -> Option<Limited<'_>> {
        Limited::new(Scope::Proxy, &self.own, &self.own_counters)
    }

    /// How a limit of several proxies is divided while they do not share a counter, at least 1.
    pub(crate) fn divisor(&self, scope: Scope) -> u64 {
        if scope == Scope::Proxy { 1 } else { u64::from(self.registry.live_proxies()) }
    }

    /// Where limits stand, without taking anything.
    pub(crate) fn standings<'a>(&self, scopes: impl Iterator<Item = Limited<'a>>) -> Standings {
        let (now, shared) = (self.timer.now(), self.asks_shared());
        let mut standings = Standings::default();
        for limited in scopes {
            for want in limited.one_request().chain(limited.tokens(0)) {
                let divisor = self.divisor(want.scope);
                standings.note(want.dimension, want.standing(now, divisor, shared));
            }
        }
        standings
    }

    fn asks_shared(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_in_force())
    }
}
