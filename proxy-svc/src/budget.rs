//! Plan → [`Reservation`]: what a request may cost is taken from the budgets of its service, its user and its
//! access key before anything goes upstream, and settled with what it did cost.
//!
//! The control plane's database is the truth; a proxy spends only what it borrowed ([`borrow`]), and asks for more
//! before that is used up. A request never asks: it takes from what is there. Where that is too little it may wait a
//! moment for an answer that is on its way or about to be asked for, because all that this can change is a refusal. A
//! proxy without its control plane goes on with what it holds and then refuses.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};
use tollgate_shared::{
    clock::{Clock, UnixMicros},
    ids::{AccessKeyId, ServiceId, UserId},
    limits::LeaseMode,
    money::Cost,
};
use uuid::Uuid;

mod account;
mod borrow;
mod estimate;

pub(crate) use borrow::{Borrower, BorrowerParts};

use self::{
    account::{Account, Taken},
    estimate::Terms,
};
use crate::{
    authenticate::Principal,
    gateway::Inquiry,
    report::Reserved,
    respond::Refusal,
    route::Plan,
    snapshot::{Budget, Snapshot, Snapshots},
    telemetry::Metrics,
};

/// How long a request may wait for an answer of the control plane that only keeps it from being refused.
const PATIENCE: Duration = Duration::from_millis(100);
/// Accounts that want something; more wait until they are noticed in passing.
const BELLS: usize = 4_096;
/// A service's budget, a user's and an access key's.
const SCOPES: usize = Scope::ALL.len();

/// What a budget is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Service,
    /// All access keys of a user, over all services.
    User,
    AccessKey,
}

impl Scope {
    pub(crate) const ALL: [Self; 3] = [Self::Service, Self::User, Self::AccessKey];

    /// In metrics, too.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::User => "user",
            Self::AccessKey => "access_key",
        }
    }
}

/// Names a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BudgetKey {
    scope: Scope,
    id: Uuid,
}

impl From<ServiceId> for BudgetKey {
    fn from(id: ServiceId) -> Self {
        Self { scope: Scope::Service, id: *id.as_uuid() }
    }
}

impl From<UserId> for BudgetKey {
    fn from(id: UserId) -> Self {
        Self { scope: Scope::User, id: *id.as_uuid() }
    }
}

impl From<AccessKeyId> for BudgetKey {
    fn from(id: AccessKeyId) -> Self {
        Self { scope: Scope::AccessKey, id: *id.as_uuid() }
    }
}

/// The accounts of all budgets in force, and of those that were not long ago. One for the process.
#[derive(Debug)]
pub(crate) struct Budgets {
    accounts: ArcSwap<HashMap<BudgetKey, Arc<Account>>>,
    /// Told when `accounts` was replaced.
    replaced: Notify,
    bells: mpsc::Sender<Arc<Account>>,
    /// Whether the control plane can be asked.
    connected: AtomicBool,
    snapshots: Arc<Snapshots>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// What a request may cost, taken from its budgets. Dropped unsettled, nothing was spent.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    /// On the heap, and only where there is a budget: a request's own state is large enough.
    taken: Option<Box<[Option<Taken>; SCOPES]>>,
}

impl Reservation {
    /// What was taken from.
    pub(crate) fn scopes(&self) -> Reserved {
        let [service, user, access_key] =
            self.taken.as_deref().map_or([false; SCOPES], |taken| taken.each_ref().map(Option::is_some));
        Reserved { service, user, access_key }
    }

    /// The request is over, and cost this.
    pub(crate) fn settle(mut self, cost: Option<Cost>) {
        let spent = cost.map_or(0, |cost| cost.amount.micros());
        for taken in self.taken.iter_mut().flat_map(|taken| taken.iter_mut()).filter_map(Option::take) {
            taken.settle(spent);
        }
    }
}

/// What a request may cost of one budget.
#[derive(Clone, Copy, Debug)]
struct Charge {
    key: BudgetKey,
    budget: Budget,
    estimate: i64,
}

impl Charge {
    /// One request at a time.
    fn is_single(&self) -> bool {
        self.budget.hard && self.budget.lease == LeaseMode::Single
    }

    /// The whole budget does not cover it.
    fn never_fits(&self) -> bool {
        self.budget.hard && self.estimate > self.budget.amount.micros()
    }
}

/// Why nothing could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    Spent,
    /// Others hold what is left, and may give it back.
    Busy,
    /// The control plane did not say.
    Unknown,
}

impl Budgets {
    /// The accounts, and where they say that they want something.
    pub(crate) fn new(
        snapshots: Arc<Snapshots>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<Account>>) {
        let (bells, receiver) = mpsc::channel(BELLS);
        let budgets = Self {
            accounts: ArcSwap::default(),
            replaced: Notify::new(),
            bells,
            connected: AtomicBool::new(false),
            snapshots,
            metrics,
            clock,
        };
        (Arc::new(budgets), receiver)
    }

    /// Takes what the request may cost from every budget that it is under.
    pub(crate) async fn reserve(
        &self,
        principal: &Principal,
        inquiry: &Inquiry<'_>,
        plan: &Plan,
    ) -> Result<Reservation, Refusal> {
        let charges = self.charges(principal, inquiry, plan)?;
        let mut reservation = Reservation::default();
        if charges.iter().all(Option::is_none) {
            return Ok(reservation);
        }
        let refused_for_good = |charge: &Charge| Err(self.refusal(charge.key.scope, Short::Spent));
        if let Some(charge) = charges.iter().flatten().find(|charge| charge.never_fits()) {
            return refused_for_good(charge);
        }
        let (now, deadline) = (self.clock.now(), Instant::now() + PATIENCE);
        let taken = reservation.taken.insert(Box::default());
        // The narrowest first: what a key's own budget does not cover takes nothing of what others share.
        for (place, charge) in taken.iter_mut().zip(&charges).rev() {
            let Some(charge) = charge else { continue };
            *place = self.take_at_once(charge, now);
            if place.is_some() {
                continue;
            }
            // Nothing is borrowed, and nobody waits, where another budget refuses the request for good.
            if let Some(charge) = charges.iter().flatten().find(|charge| self.is_out_of_reach(charge, now)) {
                return refused_for_good(charge);
            }
            match self.take(charge, now, deadline).await {
                Ok(taken) => *place = Some(taken),
                Err(_) if !charge.budget.hard => {}
                Err(short) => return Err(self.refusal(charge.key.scope, short)),
            }
        }
        Ok(reservation)
    }

    /// None from a budget that the request is not under, nor where it costs nothing, such as counting tokens.
    fn charges(
        &self,
        principal: &Principal,
        inquiry: &Inquiry<'_>,
        plan: &Plan,
    ) -> Result<[Option<Charge>; SCOPES], Refusal> {
        let (key, service) = (&principal.key, &principal.key.service);
        let scopes: [Option<(BudgetKey, Budget)>; SCOPES] = [
            service.budget.map(|budget| (service.id.into(), budget)),
            key.user.as_ref().and_then(|user| Some((user.id.into(), user.budget?))),
            key.budget.map(|budget| (key.id.into(), budget)),
        ];
        let mut charges = [None; SCOPES];
        if scopes.iter().all(Option::is_none) {
            return Ok(charges);
        }
        let snapshot = self.snapshots.load();
        let mut before: Option<(Terms, Option<i64>)> = None;
        for (charge, scope) in charges.iter_mut().zip(scopes) {
            let Some((key, budget)) = scope else { continue };
            let terms = Terms::of(&budget);
            let estimate = match before {
                Some((like, estimate)) if like == terms => estimate,
                _ => estimate::most(inquiry, plan, snapshot.prices(), terms)?,
            };
            before = Some((terms, estimate));
            *charge = estimate.map(|estimate| Charge { key, budget, estimate });
        }
        Ok(charges)
    }

    /// Of what is in hand, with nobody else in the way.
    fn take_at_once(&self, charge: &Charge, now: UnixMicros) -> Option<Taken> {
        let account = self.accounts.load().get(&charge.key).map(Arc::clone)?;
        let slot = if charge.is_single() { Some(account.slot()?) } else { None };
        account.take(now, charge.estimate).then(|| self.taken(&account, now, charge.estimate, slot))
    }

    /// Whether a hard budget will refuse so much for good, as far as is known without asking.
    fn is_out_of_reach(&self, charge: &Charge, now: UnixMicros) -> bool {
        let accounts = self.accounts.load();
        let account = || accounts.get(&charge.key).is_some_and(|account| account.is_out_of_reach(now, charge.estimate));
        charge.budget.hard && account()
    }

    /// Waits for what is on its way, or is asked for.
    async fn take(&self, charge: &Charge, mut now: UnixMicros, deadline: Instant) -> Result<Taken, Short> {
        let Charge { key, budget, estimate } = *charge;
        let begun = now;
        let account = self.account(key, deadline).await.ok_or(Short::Unknown)?;
        let mut slot = if charge.is_single() { Some(self.slot(&account, estimate, deadline).await?) } else { None };
        // Of the patience, the slot or another budget may have taken most.
        let has_time_for_an_answer = deadline.saturating_duration_since(Instant::now()) >= PATIENCE / 2;
        let mut waiting = None;
        loop {
            let answered = account.answered();
            tokio::pin!(answered);
            // From here on no answer is missed.
            answered.as_mut().enable();
            now = self.clock.now();
            if account.take(now, estimate) {
                // It waits no more: what is asked for from here on is for others.
                drop(waiting);
                return Ok(self.taken(&account, now, estimate, slot.take()));
            }
            if !budget.hard {
                self.ring(&account);
                return self.overdraw(&account, estimate);
            }
            let short = account.was_short(now, estimate);
            if short && !account.may_have(estimate) {
                return Err(Short::Spent);
            }
            if !self.connected.load(Relaxed) {
                return Err(Short::Unknown);
            }
            if waiting.is_none() {
                self.metrics.budgets.waits.of(key.scope).add(1);
                waiting = Some(account.wait_for(estimate));
            }
            let pause = account.same_answer_for(now, estimate);
            let until = if pause.is_zero() {
                self.ring(&account);
                deadline
            } else {
                deadline.min(Instant::now() + pause)
            };
            if timeout_at(until, answered).await.is_err() && Instant::now() >= deadline {
                let is_known = short || account.was_answered_since(begun) || !has_time_for_an_answer;
                return Err(if is_known { Short::Busy } else { Short::Unknown });
            }
        }
    }

    /// Of what was lent already; takes the slot along.
    fn taken(&self, account: &Arc<Account>, now: UnixMicros, estimate: i64, slot: Option<account::Slot>) -> Taken {
        let taken = Taken::new(account, estimate, slot, self.bells.clone());
        if account.is_low() && !account.is_dry(now) {
            self.ring(account);
        }
        taken
    }

    /// A budget that is new with a snapshot has an account a moment later.
    async fn account(&self, key: BudgetKey, deadline: Instant) -> Option<Arc<Account>> {
        let known = || self.accounts.load().get(&key).map(Arc::clone);
        if let Some(account) = known() {
            return Some(account);
        }
        loop {
            let replaced = self.replaced.notified();
            tokio::pin!(replaced);
            // From here on no replacement is missed.
            replaced.as_mut().enable();
            if let Some(account) = known() {
                return Some(account);
            }
            timeout_at(deadline, replaced).await.ok()?;
        }
    }

    async fn slot(&self, account: &Arc<Account>, estimate: i64, deadline: Instant) -> Result<account::Slot, Short> {
        loop {
            let answered = account.answered();
            tokio::pin!(answered);
            answered.as_mut().enable();
            if let Some(slot) = account.slot() {
                return Ok(slot);
            }
            if account.is_out_of_reach(self.clock.now(), estimate) {
                return Err(Short::Spent);
            }
            timeout_at(deadline, answered).await.map_err(|_| Short::Busy)?;
        }
    }

    /// A budget that is only counted. Nothing is taken from an account that the control plane does not know yet: it
    /// could not tell what is owed from what was lent.
    fn overdraw(&self, account: &Arc<Account>, estimate: i64) -> Result<Taken, Short> {
        self.metrics.budgets.overdrawn.of(account.key.scope).add(1);
        if !account.has_begun() {
            return Err(Short::Unknown);
        }
        let taken = account.overdraw(estimate);
        if account.is_dry(self.clock.now()) && account.tell() {
            let BudgetKey { scope, id } = account.key;
            tracing::warn!(budget.scope = scope.as_str(), budget.id = %id, "a soft budget is spent; requests go on");
        }
        Ok(taken)
    }

    /// Says that an account wants something; where the line is full, the next request says it again.
    fn ring(&self, account: &Arc<Account>) {
        if account.begins_to_ask() && self.bells.try_send(Arc::clone(account)).is_err() {
            account.was_heard();
        }
    }

    fn refusal(&self, scope: Scope, short: Short) -> Refusal {
        match short {
            Short::Spent => {
                self.metrics.budgets.refused.of(scope).add(1);
                Refusal::budget_spent(scope.as_str())
            }
            Short::Busy => {
                self.metrics.budgets.unavailable.of(scope).add(1);
                Refusal::budget_busy(scope.as_str())
            }
            Short::Unknown => {
                self.metrics.budgets.unavailable.of(scope).add(1);
                Refusal::budget_unknown(scope.as_str())
            }
        }
    }

    /// Brings the accounts in line with a snapshot; those that are new or whose budget has changed.
    fn follow(&self, snapshot: &Snapshot) -> Vec<Arc<Account>> {
        let of_services = snapshot.services().filter_map(|service| Some((service.id.into(), service.budget?)));
        let of_users = snapshot.users().filter_map(|user| Some((user.id.into(), user.budget?)));
        let of_keys = snapshot.access_keys().filter_map(|key| Some((key.id.into(), key.budget?)));
        let before = self.accounts.load_full();
        let mut accounts = HashMap::with_capacity(before.len());
        let mut changed = Vec::new();
        for (key, budget) in of_services.chain(of_users).chain(of_keys) {
            let account = if let Some(account) = before.get(&key) {
                if account.change(budget) {
                    changed.push(Arc::clone(account));
                }
                Arc::clone(account)
            } else {
                let account = Arc::new(Account::new(key, budget));
                changed.push(Arc::clone(&account));
                account
            };
            accounts.insert(key, account);
        }
        // A budget that is gone keeps nothing but the knowledge of what is under way.
        let now = self.clock.now();
        for (key, account) in before.iter() {
            if accounts.contains_key(key) {
                continue;
            }
            if account.close(now) {
                tracing::debug!(budget.scope = key.scope.as_str(), budget.id = %key.id, "the budget is gone");
                changed.push(Arc::clone(account));
            }
            accounts.insert(*key, Arc::clone(account));
        }
        self.accounts.store(Arc::new(accounts));
        self.replaced.notify_waiters();
        changed
    }

    /// Forgets budgets that were removed long ago and that no request is under.
    fn forget(&self, now: UnixMicros) {
        let before = self.accounts.load_full();
        let forgotten = |account: &Arc<Account>| account.is_forgettable(now) && Arc::strong_count(account) == 1;
        if before.values().any(forgotten) {
            let kept = before.iter().filter(|(_, account)| !forgotten(account));
            self.accounts.store(Arc::new(kept.map(|(key, account)| (*key, Arc::clone(account))).collect()));
        }
    }
}

#[cfg(test)]
mod tests;
