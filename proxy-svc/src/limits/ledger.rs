//! A request's accounts with its limits, from its admission to its end.

use std::sync::Arc;

use super::{Counters, Exhausted, Grant, Limited, Limiter, Patience, Scope, Standings, Want, Wants, moment::Moment};
use crate::snapshot::{AccessKey, LimitsMode, UpstreamKey};

/// One a request. What it took is known by the caller's limits, which stay as they were when the request came. Tokens
/// that it reserved and that nobody settled go back when it is dropped.
pub(crate) struct Ledger<'a> {
    limiter: &'a Limiter,
    pub(crate) patience: Patience,
    /// Whose request it is, once that is known.
    caller: Option<Arc<AccessKey>>,
    refused_on_trial: bool,
    request: Grants,
    tokens: Grants,
    tokens_reserved: u64,
    upstream: Option<AtUpstreamKey>,
}

/// What the two kinds of scopes granted: those of the caller, and this proxy itself.
#[derive(Clone, Copy, Default)]
struct Grants {
    caller: Option<Grant>,
    proxy: Option<Grant>,
}

/// Tokens that are reserved at an upstream key.
struct AtUpstreamKey {
    counters: Arc<Counters>,
    limit: u64,
    amount: u64,
    grant: Grant,
}

/// What is wanted of a scope.
#[derive(Clone, Copy)]
enum Thing {
    Request,
    Tokens(u64),
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(limiter: &'a Limiter) -> Self {
        Self {
            limiter,
            patience: Patience::new(),
            caller: None,
            refused_on_trial: false,
            request: Grants::default(),
            tokens: Grants::default(),
            tokens_reserved: 0,
            upstream: None,
        }
    }

    pub(crate) fn set_caller(&mut self, key: &Arc<AccessKey>) {
        self.caller = Some(Arc::clone(key));
    }

    pub(crate) fn caller(&self) -> Option<&AccessKey> {
        self.caller.as_deref()
    }

    /// Takes one request everywhere. `Some` of a service that only tries its limits out: what would have refused it.
    pub(crate) async fn take_request(&mut self) -> Result<Option<Exhausted>, Exhausted> {
        let (grants, would_refuse) = self.take(Thing::Request).await?;
        self.request = grants;
        Ok(would_refuse)
    }

    /// For a request that is refused for its tokens: it does not count. One that is refused for another reason does.
    pub(crate) fn give_back_request(&mut self) {
        self.give_back_to_caller();
        if let Some(grant) = self.request.proxy.take() {
            self.limiter.give_back(Thing::Request.of_proxy(self.limiter), grant);
        }
    }

    fn give_back_to_caller(&mut self) {
        if let (Some(key), Some(grant)) = (&self.caller, self.request.caller.take()) {
            self.limiter.give_back(Thing::Request.of_caller(key), grant);
        }
    }

    /// One of the caller's limits would have refused the request were it not only tried out. As a refused one, it takes
    /// nothing of the others: what they would refuse stays what they would have refused.
    pub(crate) fn refuse_on_trial(&mut self) {
        self.refused_on_trial = true;
        self.give_back_to_caller();
    }

    pub(crate) const fn is_refused_on_trial(&self) -> bool {
        self.refused_on_trial
    }

    /// Reserves tokens everywhere, for as long as the request is in work; as [`Ledger::take_request`].
    pub(crate) async fn reserve_tokens(&mut self, amount: u64) -> Result<Option<Exhausted>, Exhausted> {
        let (grants, would_refuse) = self.take(Thing::Tokens(amount)).await?;
        (self.tokens, self.tokens_reserved) = (grants, amount);
        Ok(would_refuse)
    }

    /// The narrowest scope is asked first; what is refused has taken nothing anywhere.
    async fn take(&mut self, thing: Thing) -> Result<(Grants, Option<Exhausted>), Exhausted> {
        let Self { limiter, patience, caller, refused_on_trial, .. } = self;
        let Some(key) = caller else { return Ok((Grants::default(), None)) };
        let (mut grants, mut would_refuse) = (Grants::default(), None);
        let now = limiter.now();
        let wants = thing.of_caller(key);
        if !wants.is_empty() && !*refused_on_trial {
            match limiter.take(&wants, now, patience).await {
                Ok(grant) => grants.caller = Some(grant),
                Err(exhausted) if key.service.limits_mode == LimitsMode::Shadow => would_refuse = Some(exhausted),
                Err(exhausted) => return Err(exhausted),
            }
        }
        let of_proxy = thing.of_proxy(limiter);
        if !of_proxy.is_empty() {
            let taken = limiter.take(&of_proxy, now, patience).await;
            grants.proxy = Some(taken.inspect_err(|_| {
                if let Some(grant) = grants.caller {
                    limiter.give_back(thing.of_caller(key), grant);
                }
            })?);
        }
        Ok((grants, would_refuse))
    }

    /// Takes one request, and reserves tokens, at the upstream key of the attempt that comes now. What was reserved at
    /// the one before goes back.
    pub(crate) async fn take_at(&mut self, key: &UpstreamKey, tokens: Option<u64>) -> Result<(), Exhausted> {
        let now = self.limiter.now();
        self.settle_upstream(0, now);
        let Some(limited) = Limited::new(Scope::UpstreamKey, &key.limits, &key.counted) else { return Ok(()) };
        let of_tokens = tokens.and_then(|amount| limited.tokens(amount));
        let wants: Wants<'_> = limited.one_request().chain(of_tokens).collect();
        let grant = self.limiter.take(&wants, now, &mut self.patience).await?;
        self.upstream = of_tokens.map(|Want { limit, amount, .. }| AtUpstreamKey {
            counters: Arc::clone(limited.counters),
            limit,
            amount,
            grant,
        });
        Ok(())
    }

    /// The request is over and used so many tokens.
    pub(crate) fn settle(&mut self, tokens: u64) {
        if self.upstream.is_none() && self.tokens.is_none() {
            return;
        }
        let now = self.limiter.now();
        self.settle_upstream(tokens, now);
        let (grants, reserved) = (std::mem::take(&mut self.tokens), Thing::Tokens(self.tokens_reserved));
        if let (Some(key), Some(grant)) = (&self.caller, grants.caller) {
            self.limiter.settle(reserved.of_caller(key), grant, tokens, now);
        }
        if let Some(grant) = grants.proxy {
            self.limiter.settle(reserved.of_proxy(self.limiter), grant, tokens, now);
        }
    }

    fn settle_upstream(&mut self, tokens: u64, now: Moment) {
        if let Some(AtUpstreamKey { counters, limit, amount, grant }) = self.upstream.take() {
            self.limiter.settle([Want::reserved(Scope::UpstreamKey, &counters, limit, amount)], grant, tokens, now);
        }
    }

    /// Where the caller's limits stand now; for the headers of the answer.
    pub(crate) fn standings(&self) -> Standings {
        self.caller.as_ref().map(|key| self.limiter.standings(Limited::of_caller(key))).unwrap_or_default()
    }
}

impl Grants {
    const fn is_none(&self) -> bool {
        self.caller.is_none() && self.proxy.is_none()
    }
}

impl Drop for Ledger<'_> {
    fn drop(&mut self) {
        self.settle(0);
    }
}

impl Thing {
    fn of_caller(self, key: &AccessKey) -> Wants<'_> {
        self.of(Limited::of_caller(key))
    }

    fn of_proxy(self, limiter: &Limiter) -> Wants<'_> {
        self.of(limiter.proxy().into_iter())
    }

    fn of<'a>(self, scopes: impl Iterator<Item = Limited<'a>>) -> Wants<'a> {
        match self {
            Self::Request => scopes.flat_map(Limited::one_request).collect(),
            Self::Tokens(amount) => scopes.filter_map(|limited| limited.tokens(amount)).collect(),
        }
    }
}
