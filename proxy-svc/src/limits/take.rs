//! Taking from all counters of a request together, or from none; giving back, and settling.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use smallvec::SmallVec;

use super::{
    Counters, Dimension, Exhausted, Limiter, Patience, Scope, Standing, bucket,
    bucket::Bucket,
    counters::Views,
    moment::{Moment, nanos},
    shared::{Amount, Asked, Settlement},
};

/// Refusals within this need no further answer of Redis, where other proxies may have given something back since.
const KNOWN_FOR: Duration = Duration::from_millis(100);

/// What is asked of one counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want<'a> {
    pub(super) scope: Scope,
    pub(super) counters: &'a Counters,
    /// Never [`Dimension::Concurrency`], which has places instead.
    pub(super) dimension: Dimension,
    pub(super) limit: u64,
    pub(super) amount: u64,
}

/// What a request asks at one stage: at most two of each scope of its caller.
pub(crate) type Wants<'a> = SmallVec<[Want<'a>; 6]>;

/// That something was taken, and how, so that as much goes back. Whoever has it knows what it was. Dropping it gives
/// nothing back: a request that is over has used its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// By which the limits were divided.
    divisor: u64,
    day: u64,
    /// It was counted for all proxies too.
    is_shared: bool,
}

impl Limiter {
    /// Takes everything, or nothing and says which limit is in the way. `wants` are of one kind: of this proxy alone,
    /// or of what all proxies share.
    pub(super) async fn take(
        &self,
        wants: &[Want<'_>],
        mut now: Moment,
        patience: &mut Patience,
    ) -> Result<Grant, Exhausted> {
        let scope = wants.first().map_or(Scope::Proxy, |want| want.scope);
        let divisor = self.divisor(scope);
        if scope != Scope::Proxy
            && let Some(shared) = &self.shared
            && shared.is_in_force()
        {
            let whole = wants.iter().find_map(|want| Some((want, want.fits_seen(now).err()?)));
            if let Some((want, wait)) = whole {
                return Err(want.exhausted(wait));
            }
            // In a box, because every request's future would have to hold it.
            if let Some(asked) = Box::pin(shared.ask(wants, now, patience)).await {
                return self.asked(wants, divisor, &asked);
            }
            now = self.timer.now();
        }
        take_own(wants, divisor, now)
    }

    /// What comes of Redis's answer.
    fn asked(&self, wants: &[Want<'_>], divisor: u64, asked: &Asked) -> Result<Grant, Exhausted> {
        let now = self.timer.now();
        for (want, used) in wants.iter().zip(&asked.used) {
            want.learn(now, asked.day, *used);
        }
        if let Some(want) = asked.refused.and_then(|index| wants.get(index)) {
            let wait = want.wait_by_seen(now).unwrap_or(Duration::from_millis(1));
            return Err(want.exhausted(wait));
        }
        for want in wants {
            want.charge_own(now, divisor);
        }
        Ok(Grant { divisor, day: now.day(), is_shared: true })
    }

    /// Gives back what was granted: the request was not let through after all.
    pub(super) fn give_back<'a>(&self, wants: impl IntoIterator<Item = Want<'a>>, grant: Grant) {
        let Grant { divisor, day, is_shared } = grant;
        for want in wants {
            want.give_back_own(day, divisor);
            let Some(shared) = self.shared.as_ref().filter(|_| is_shared) else { continue };
            let daily = want.is_daily();
            let used = if daily {
                want.counters.day.seen.give_back(day);
                -1
            } else {
                want.bucket().seen.give_back(want.cost(1));
                -micros(want.cost(1))
            };
            shared.tell(Settlement { key: want.shared_key(), daily, used, day });
        }
    }

    /// So many tokens were used in the place of those that were granted.
    pub(super) fn settle<'a>(&self, wants: impl IntoIterator<Item = Want<'a>>, grant: Grant, tokens: u64, now: Moment) {
        let Grant { divisor, day, is_shared } = grant;
        for reserved in wants.into_iter().filter(|want| want.amount != tokens) {
            let used = Want { amount: tokens, ..reserved };
            adjust(&used.bucket().own, now, reserved.cost(divisor), used.cost(divisor));
            let Some(shared) = self.shared.as_ref().filter(|_| is_shared) else { continue };
            let (before, after) = (reserved.cost(1), used.cost(1));
            adjust(&used.bucket().seen, now, before, after);
            let used_beyond = micros(after) - micros(before);
            shared.tell(Settlement { key: used.shared_key(), daily: false, used: used_beyond, day });
        }
    }
}

fn take_own(wants: &[Want<'_>], divisor: u64, now: Moment) -> Result<Grant, Exhausted> {
    for (index, want) in wants.iter().enumerate() {
        if let Err(wait) = want.take_own(now, divisor) {
            for taken in &wants[..index] {
                taken.give_back_own(now.day(), divisor);
            }
            return Err(want.exhausted(wait));
        }
    }
    Ok(Grant { divisor, day: now.day(), is_shared: false })
}

impl<'a> Want<'a> {
    /// Tokens that were granted earlier.
    pub(super) fn reserved(scope: Scope, counters: &'a Counters, limit: u64, amount: u64) -> Self {
        Self { scope, counters, dimension: Dimension::Tokens, limit, amount }
    }

    fn bucket(self) -> &'a Views<Bucket> {
        if self.dimension == Dimension::Tokens { &self.counters.tokens } else { &self.counters.requests }
    }

    fn is_daily(self) -> bool {
        self.dimension == Dimension::RequestsPerDay
    }

    fn cost(self, divisor: u64) -> u64 {
        bucket::cost(self.amount, self.limit, divisor)
    }

    /// Whether the whole limit has room for it, as far as is known here: saves asking. Of a minute's requests time alone
    /// tells what comes back; tokens are settled, and a day's requests given back, by other proxies too.
    fn fits_seen(self, now: Moment) -> Result<(), Duration> {
        let seen_at = match self.dimension {
            Dimension::Tokens => Some(&self.counters.tokens_seen_at),
            Dimension::RequestsPerDay => Some(&self.counters.day_seen_at),
            Dimension::Requests | Dimension::Concurrency => None,
        };
        if seen_at.is_some_and(|seen_at| now.nanos.saturating_sub(seen_at.load(Relaxed)) > nanos(KNOWN_FOR)) {
            return Ok(());
        }
        if self.is_daily() {
            let full = self.counters.day.seen.count(now.day()) >= self.limit;
            return if full { Err(now.until_next_day()) } else { Ok(()) };
        }
        self.wait_by_seen(now).map_or(Ok(()), Err)
    }

    fn wait_by_seen(self, now: Moment) -> Option<Duration> {
        if self.is_daily() {
            return Some(now.until_next_day());
        }
        bucket::wait(self.bucket().seen.used(now.nanos), self.cost(1))
    }

    fn take_own(self, now: Moment, divisor: u64) -> Result<(), Duration> {
        if !self.is_daily() {
            return self.bucket().own.take(now.nanos, self.cost(divisor));
        }
        let day = &self.counters.day;
        // A day that all proxies together have used up stays used up when they cannot ask any more.
        let spent = day.seen.count(now.day()) >= self.limit;
        if !spent && day.own.take(now.day(), share(self.limit, divisor)) { Ok(()) } else { Err(now.until_next_day()) }
    }

    fn charge_own(self, now: Moment, divisor: u64) {
        if self.is_daily() {
            self.counters.day.own.charge(now.day());
        } else {
            self.bucket().own.charge(now.nanos, self.cost(divisor));
        }
    }

    fn give_back_own(self, day: u64, divisor: u64) {
        if self.is_daily() {
            self.counters.day.own.give_back(day);
        } else {
            self.bucket().own.give_back(self.cost(divisor));
        }
    }

    fn learn(self, now: Moment, day: u64, used: u64) {
        if self.is_daily() {
            self.counters.day.seen.learn(day, used);
            self.counters.day_seen_at.store(now.nanos, Relaxed);
        } else {
            self.bucket().seen.learn(now.nanos, nanos(Duration::from_micros(used)));
            if self.dimension == Dimension::Tokens {
                self.counters.tokens_seen_at.store(now.nanos, Relaxed);
            }
        }
    }

    fn exhausted(self, wait: Duration) -> Exhausted {
        Exhausted { scope: self.scope, dimension: self.dimension, wait }
    }

    /// `seen`: for all proxies together, as far as is known here.
    pub(super) fn standing(self, now: Moment, divisor: u64, seen: bool) -> Standing {
        let (limit, divisor) = (self.limit, if seen { 1 } else { divisor });
        if self.is_daily() {
            let day = &self.counters.day;
            let count = if seen { &day.seen } else { &day.own }.count(now.day());
            let remaining = share(limit, divisor).saturating_sub(count);
            return Standing { limit, remaining, reset: now.until_next_day() };
        }
        let views = self.bucket();
        let used = if seen { &views.seen } else { &views.own }.used(now.nanos);
        Standing { limit, remaining: bucket::remaining(used, limit, divisor), reset: Duration::from_nanos(used) }
    }

    /// What Redis is asked. What it counted before is told along: it may have lost it.
    pub(super) fn amount(self, now: Moment) -> Amount {
        if self.is_daily() {
            let (most, known) = (self.limit, self.counters.day.seen.count(now.day()));
            return Amount { daily: true, take: self.amount, most, known, day: now.day() };
        }
        let take = self.cost(1) / 1_000;
        let most = take.max(bucket::WINDOW / 1_000);
        let known = self.bucket().seen.used(now.nanos) / 1_000;
        Amount { daily: false, take, most, known, day: now.day() }
    }

    /// Where Redis counts it.
    pub(super) fn shared_key(self) -> String {
        let Self { scope, counters, dimension, .. } = self;
        // In braces what decides on the node of a cluster: all keys of a question must be on one.
        format!("{{tollgate}}:limit:{}:{}:{}", scope.as_str(), counters.id.simple(), dimension.as_str())
    }
}

/// At least one, else nothing would pass though something may.
fn share(limit: u64, divisor: u64) -> u64 {
    (limit / divisor.max(1)).max(1)
}

fn adjust(bucket: &Bucket, now: Moment, before: u64, after: u64) {
    match after.checked_sub(before) {
        Some(more) => bucket.charge(now.nanos, more),
        None => bucket.give_back(before - after),
    }
}

/// Rounded as [`Want::amount`] rounds.
fn micros(cost: u64) -> i64 {
    i64::try_from(cost / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
