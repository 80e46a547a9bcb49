//! How much of a budget is left, and how much of that a proxy may have. No I/O: `store::budgets` reads the figures,
//! `app::budgets` puts the two together.
//!
//! What was spent is the sum of a period's events. What is lent is what proxies were granted since their start and
//! neither gave back nor spent by events, in whatever period: it covers what is in flight and what has not arrived, and
//! no change of a budget's definition makes it forgotten. Nothing is lent that is not left, so a budget is exceeded only
//! by what a request costs beyond its reservation, by what a lapsed lease is spent on after all, by an amount that was
//! lowered, and by what was in flight when it was first set.

use std::{collections::BTreeMap, ops::Range};

use serde::Serialize;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, BootId, ProxyId, ServiceId, UserId},
    limits::{Budget, LeaseMode, Period},
    money::Money,
    period::day_of,
};
use uuid::Uuid;

use super::{
    text_enum::text_enum,
    timestamp::Timestamp,
    usage::{Reserved, UsageEvent},
};

/// What is lent ahead of need is at most this part of what is left, over all proxies: the nearer the end, the smaller.
const AHEAD_PARTS: i64 = 4;

text_enum! {
    /// What a budget is of.
    #[derive(PartialOrd, Ord)]
    pub enum BudgetScope {
        Service = "service",
        User = "user",
        AccessKey = "access_key",
    }
}

/// Names a budget. The order is the one in which budgets are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetKey {
    pub scope: BudgetScope,
    pub id: Uuid,
}

impl From<ServiceId> for BudgetKey {
    fn from(id: ServiceId) -> Self {
        Self { scope: BudgetScope::Service, id: *id.as_uuid() }
    }
}

impl From<UserId> for BudgetKey {
    fn from(id: UserId) -> Self {
        Self { scope: BudgetScope::User, id: *id.as_uuid() }
    }
}

impl From<AccessKeyId> for BudgetKey {
    fn from(id: AccessKeyId) -> Self {
        Self { scope: BudgetScope::AccessKey, id: *id.as_uuid() }
    }
}

/// Under which period leases are kept that outlast periods: that of a total.
pub const ALL_TIME: Range<UnixMicros> = Period::Total.around(0);

/// One start of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borrower {
    pub proxy_id: ProxyId,
    pub boot_id: BootId,
    /// By the proxy's clock: events that began earlier are of the start before.
    pub booted_at: UnixMicros,
    /// Its totals go on whatever becomes of a budget; those of an older proxy are of one period each.
    pub leases_outlast_periods: bool,
}

impl Borrower {
    /// The period under which is kept what it borrows in this one.
    pub fn lease_period(&self, period: &Range<UnixMicros>) -> Range<UnixMicros> {
        if self.leases_outlast_periods { ALL_TIME } else { period.clone() }
    }
}

/// What a borrower asks of a budget. The `period` is that of its last grant; empty when it knows no totals.
#[derive(Clone, Debug)]
pub struct Ask {
    pub budget: BudgetKey,
    /// By the proxy's clock.
    pub at: UnixMicros,
    pub period: Range<UnixMicros>,
    pub granted: i64,
    pub returned: i64,
    /// What requests that wait need beyond what is held.
    pub need: i64,
    /// Of that, what the smallest request needs: less helps nobody. 0 from older proxies, which take any part.
    pub least: i64,
    /// Some more, to have it at hand.
    pub ahead: bool,
}

/// How an ask was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Granted,
    /// There is not that much left to lend.
    Spent,
    /// Another proxy's request is under way, and there may be one only.
    Busy,
    NoBudget,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub state: GrantState,
    pub period: Range<UnixMicros>,
    /// All that the borrower was granted.
    pub granted: i64,
    /// Of that, what it is not to spend any more, where it knew no totals.
    pub settled: i64,
    /// What it gave back.
    pub returned: i64,
    /// Of the budget, what is neither spent nor this borrower's.
    pub elsewhere: i64,
    /// Of the whole budget.
    pub amount: i64,
    /// The others are to be told that it is short.
    pub recall: bool,
}

/// Others are to give back what they do not use of a budget.
#[derive(Clone, Copy, Debug)]
pub struct Recall {
    pub budget: BudgetKey,
    /// Who needs it.
    pub by: BootId,
}

/// What one borrower has of a budget, as totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    pub granted: i64,
    pub returned: i64,
    /// The cost of its events that had a reservation of it.
    pub used: i64,
}

impl Lease {
    /// What the borrower holds, what its requests in flight have reserved, and what they cost whose events have not
    /// arrived; less than nothing when requests cost more than they reserved.
    pub const fn open(&self) -> i64 {
        self.granted - self.returned - self.used
    }

    /// The borrower knows nothing of it any more: what it did not spend it will not spend.
    fn forget(&mut self) {
        self.returned += self.open().max(0);
    }

    /// For a borrower that knows none of its totals: what it is not to spend of all that was granted, which is more than
    /// that where the lease was overdrawn. What an older proxy knows of another period's says nothing of what is in
    /// flight, so that stays lent.
    pub fn begin(&mut self, ask: &mut Ask) -> i64 {
        if ask.period.is_empty() {
            self.forget();
        }
        (ask.granted, ask.returned) = (self.granted, self.returned);
        self.granted.max(self.returned + self.used)
    }

    /// With what the borrower knows: its totals only grow, and what one side has not heard of the other has.
    pub fn reconcile(&mut self, ask: &Ask) {
        self.granted = self.granted.max(ask.granted);
        self.returned = self.returned.max(ask.returned);
    }
}

/// A budget's figures, of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The sum of the period's events.
    pub spent: i64,
    /// Of leases that are in force.
    pub lent: i64,
    /// The part of `lent` that is not the asking borrower's.
    pub lent_to_others: i64,
    /// Of leases that are not heard of any more.
    pub lapsed: i64,
}

/// Of a budget, what is neither spent nor of this lease: left, or lent to others. What was lent and is overdrawn is spent.
pub fn elsewhere(budget: &Budget, standing: &Standing, lease: &Lease) -> i64 {
    budget.amount.micros() - standing.spent - lease.open()
}

/// How much more a borrower gets.
pub fn grant(budget: &Budget, standing: &Standing, lease: &Lease, ask: &Ask, live_proxies: i64) -> (i64, GrantState) {
    let left = budget.amount.micros() - standing.spent - standing.lent;
    // What it got and has not heard of is there already.
    let unheard = (lease.granted - ask.granted).max(0);
    let (need, least) = ((ask.need - unheard).max(0), (ask.least - unheard).max(0));
    // A lease that is overdrawn is filled up before anything of it can be spent; that part was spent already, in this
    // period or in one before.
    let deficit = (-lease.open()).max(0);
    let most = if left > 0 { left + deficit } else { 0 };
    let share = left.max(0) / (AHEAD_PARTS * live_proxies.max(1));
    // Whatever others give back.
    let never_fits = need > budget.amount.micros() - standing.spent + deficit;
    match budget.lease {
        LeaseMode::Single if need == 0 => (0, GrantState::Granted),
        LeaseMode::Single if never_fits => (0, GrantState::Spent),
        LeaseMode::Single if standing.lent_to_others > 0 => (0, GrantState::Busy),
        LeaseMode::Single if need > most => (0, GrantState::Spent),
        LeaseMode::Single => (need, GrantState::Granted),
        LeaseMode::Ahead => {
            let ahead = if ask.ahead { deficit + share } else { 0 };
            let all = need.max(ahead).min(most);
            if need <= most {
                let spent = ask.ahead && left <= 0;
                (all, if spent { GrantState::Spent } else { GrantState::Granted })
            } else if ask.least > 0 && least <= most {
                // Some are served, and the others ask again. What is of use to none of them is left to others.
                (least.max(share), GrantState::Granted)
            } else {
                (if ask.least > 0 { 0 } else { all }, GrantState::Spent)
            }
        }
    }
}

/// What events spent, as it is added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// By budget and day.
    pub by_day: BTreeMap<(BudgetKey, UnixMicros), i64>,
    /// By budget and borrower: what was used of leases. In the order in which lending locks them.
    pub of_leases: BTreeMap<(BudgetKey, BootId), i64>,
    /// By day, too, what older proxies used: they do not say which budgets had lent for a request.
    pub of_older_leases: BTreeMap<(BudgetKey, BootId, UnixMicros), i64>,
}

impl Spending {
    /// `boots`: of each proxy that borrowed something, when it was started, in order.
    pub fn of<'a>(
        events: impl Iterator<Item = &'a UsageEvent>,
        boots: &BTreeMap<ProxyId, Vec<(UnixMicros, BootId)>>,
    ) -> Self {
        let mut spending = Self::default();
        for event in events {
            let Some(cost) = event.cost.map(|cost| cost.amount.micros()).filter(|cost| *cost > 0) else { continue };
            let day = day_of(event.started_at);
            let boots = event.reported_by.and_then(|proxy| boots.get(&proxy));
            // The last start before the request; the first one when clocks disagree.
            let boot = boots.and_then(|boots| {
                let before = boots.partition_point(|(booted_at, _)| *booted_at <= event.started_at);
                boots.get(before.saturating_sub(1)).map(|(_, boot)| *boot)
            });
            let reserved = event.reserved.map(|Reserved { service, user, access_key }| [service, user, access_key]);
            let scopes: [Option<BudgetKey>; 3] =
                [event.service_id.map(Into::into), event.user_id.map(Into::into), event.access_key_id.map(Into::into)];
            for (index, budget) in scopes.into_iter().enumerate() {
                let Some(budget) = budget else { continue };
                *spending.by_day.entry((budget, day)).or_default() += cost;
                match (boot, reserved) {
                    (Some(boot), Some(reserved)) if reserved[index] => {
                        *spending.of_leases.entry((budget, boot)).or_default() += cost;
                    }
                    (Some(boot), None) => {
                        *spending.of_older_leases.entry((budget, boot, day)).or_default() += cost;
                    }
                    _ => {}
                }
            }
        }
        spending
    }
}

/// A budget as the API shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct BudgetStatus {
    #[serde(flatten)]
    pub budget: Budget,
    /// When the period began; null for a total.
    pub period_start: Option<Timestamp>,
    /// When the next one begins; null for a total.
    pub period_end: Option<Timestamp>,
    /// By events that have arrived.
    pub spent: Money,
    /// Lent to proxies and not spent yet.
    pub leased: Money,
    /// Neither spent nor lent.
    pub remaining: Money,
    /// The most by which leases can make the period's spending exceed what was lent: those that are out may lapse and
    /// be spent after all, those that lapsed may still be reported. To it comes what requests in flight cost beyond
    /// their reservations.
    pub overshoot_bound: Money,
}

impl BudgetStatus {
    pub fn new(budget: Budget, period: Range<UnixMicros>, standing: &Standing) -> Self {
        let Standing { spent, lent, lapsed, lent_to_others: _ } = *standing;
        let bounded = budget.period != Period::Total;
        let remaining = (budget.amount.micros() - spent - lent).max(0);
        Self {
            budget,
            period_start: bounded.then(|| Timestamp::from_micros(period.start)),
            period_end: bounded.then(|| Timestamp::from_micros(period.end)),
            spent: Money::from_micros(spent),
            leased: Money::from_micros(lent),
            remaining: Money::from_micros(remaining),
            overshoot_bound: Money::from_micros(lent + lapsed),
        }
    }
}

#[cfg(test)]
mod tests;
