//! What this proxy has of one budget: a lease, and who waits for more. Atomics only; the one that talks to the control
//! plane ([`super::borrow`]) is the only writer of totals.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicI64, AtomicU8,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, futures::Notified, mpsc};
use tollgate_shared::{clock::UnixMicros, limits::LeaseMode};

use super::BudgetKey;
use crate::snapshot::Budget;

/// For so long it is not asked again whether a budget is still spent.
const SPENT_FOR: UnixMicros = 1_000_000;
/// What is not used for so long goes back, but for what the next request will want.
const IDLE_AFTER: UnixMicros = 15_000_000;
/// Of the first grant, what is kept for the next request at least.
const KEPT_PARTS: i64 = 16;

/// How the control plane answered last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Answer {
    None = 0,
    Granted = 1,
    Spent = 2,
    Busy = 3,
}

/// One budget.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) key: BudgetKey,
    budget: ArcSwap<Budget>,
    lease: ArcSwap<Lease>,
    /// It is in line to be asked for.
    asking: AtomicBool,
    /// What requests that wait want, together.
    wanted: AtomicI64,
    answer: AtomicU8,
    answered_at: AtomicI64,
    /// The need that was refused: a smaller one may still be met.
    short_of: AtomicI64,
    answered: Notify,
    /// The largest reservation of late.
    largest: AtomicI64,
    used_at: AtomicI64,
    /// A request is under way, where there may be one only.
    taken_slot: AtomicBool,
    /// Everything goes back with the next ask: the budget has changed, or is gone.
    returns_all: AtomicBool,
    told: AtomicBool,
}

/// What was borrowed in one period.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub(super) start: UnixMicros,
    /// Not included.
    pub(super) end: UnixMicros,
    /// Granted − returned − spent − reserved.
    balance: AtomicI64,
    granted: AtomicI64,
    returned: AtomicI64,
    last_grant: AtomicI64,
    first_grant: i64,
}

/// What was granted, as totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) period: Range<UnixMicros>,
    pub(super) total: i64,
    /// Of that, what is not to be spent any more.
    pub(super) settled: i64,
}

/// The totals of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) period: Range<UnixMicros>,
    pub(super) granted: i64,
    pub(super) returned: i64,
    pub(super) need: i64,
    pub(super) ahead: bool,
}

impl Account {
    pub(super) fn new(key: BudgetKey, budget: Budget) -> Self {
        Self {
            key,
            budget: ArcSwap::from_pointee(budget),
            lease: ArcSwap::default(),
            asking: AtomicBool::new(false),
            wanted: AtomicI64::new(0),
            answer: AtomicU8::new(Answer::None as u8),
            answered_at: AtomicI64::new(0),
            short_of: AtomicI64::new(0),
            answered: Notify::new(),
            largest: AtomicI64::new(0),
            used_at: AtomicI64::new(0),
            taken_slot: AtomicBool::new(false),
            returns_all: AtomicBool::new(false),
            told: AtomicBool::new(false),
        }
    }

    /// Takes so much, or nothing.
    pub(super) fn take(&self, now: UnixMicros, amount: i64) -> Option<Arc<Lease>> {
        self.used_at.store(now, Relaxed);
        let lease = self.lease.load_full();
        let enough = |balance: i64| (balance >= amount).then(|| balance - amount);
        let current = (lease.start..lease.end).contains(&now);
        let taken = current && lease.balance.fetch_update(AcqRel, Acquire, enough).is_ok();
        // What could not be had is nothing to keep for the next one.
        taken.then(|| self.largest.fetch_max(amount, Relaxed));
        taken.then_some(lease)
    }

    /// Whether it is time to ask for more.
    pub(super) fn is_low(&self) -> bool {
        let lease = self.lease.load();
        !self.is_single() && lease.balance.load(Relaxed) < lease.last_grant.load(Relaxed) / 2
    }

    /// Whether it was said a moment ago that there is not so much left.
    pub(super) fn was_short(&self, now: UnixMicros, amount: i64) -> bool {
        let since = now.saturating_sub(self.answered_at.load(Relaxed));
        self.answer() == Answer::Spent
            && (0..SPENT_FOR).contains(&since)
            && (amount == 0 || amount >= self.short_of.load(Relaxed))
    }

    pub(super) fn answer(&self) -> Answer {
        match self.answer.load(Acquire) {
            1 => Answer::Granted,
            2 => Answer::Spent,
            3 => Answer::Busy,
            _ => Answer::None,
        }
    }

    /// Resolves with the next answer, and when something was given back.
    pub(super) fn answered(&self) -> Notified<'_> {
        self.answered.notified()
    }

    /// Counts as waiting until the guard is dropped.
    pub(super) fn wait_for(&self, amount: i64) -> Waiting<'_> {
        self.wanted.fetch_add(amount, AcqRel);
        Waiting { account: self, amount }
    }

    /// The one place of a budget that takes one request at a time.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let is_free = !self.taken_slot.swap(true, AcqRel);
        is_free.then(|| Slot(Arc::clone(self)))
    }

    /// Takes what is not there; for a budget that is only counted.
    pub(super) fn overdraw(self: &Arc<Self>, amount: i64) -> Taken {
        let lease = self.lease.load_full();
        lease.balance.fetch_sub(amount, AcqRel);
        Taken { account: Arc::clone(self), lease, amount, slot: None, bells: None }
    }

    /// Whether this is the first to say that the budget is spent.
    pub(super) fn tell(&self) -> bool {
        !self.told.swap(true, Relaxed)
    }

    /// Whether it is not in line already.
    pub(super) fn begins_to_ask(&self) -> bool {
        !self.asking.swap(true, AcqRel)
    }

    /// It is not in line any more.
    pub(super) fn was_heard(&self) {
        self.asking.store(false, Relaxed);
    }

    /// Takes over another definition of the budget; whether it is another one.
    pub(super) fn change(&self, budget: Budget) -> bool {
        if **self.budget.load() == budget {
            return false;
        }
        self.budget.store(Arc::new(budget));
        self.close();
        true
    }

    /// Nothing is left to take, and everything goes back.
    pub(super) fn close(&self) {
        self.answer.store(Answer::None as u8, Relaxed);
        self.told.store(false, Relaxed);
        self.returns_all.store(true, Relaxed);
        // Requests get nothing from a definition that is not in force any more.
        let lease = self.lease.load();
        lease.give_back(0);
    }

    fn is_single(&self) -> bool {
        self.budget.load().lease == LeaseMode::Single
    }

    /// Whether there is something to be told that nobody rings for.
    pub(super) fn is_due(&self, now: UnixMicros) -> bool {
        let lease = self.lease.load();
        let idle = now.saturating_sub(self.used_at.load(Relaxed)) > IDLE_AFTER;
        let over = lease.end > 0 && lease.end <= now;
        // Of a period that is over nothing has to go back; who was active a moment ago will want something of the next.
        if over { !idle } else { idle && lease.balance.load(Relaxed) > self.kept(&lease) }
    }

    fn kept(&self, lease: &Lease) -> i64 {
        self.largest.load(Relaxed).max(lease.first_grant / KEPT_PARTS)
    }

    /// Whether something was borrowed, or is wanted.
    pub(super) fn totals_are_known(&self) -> bool {
        self.lease.load().end > 0 || self.wanted.load(Relaxed) > 0
    }

    /// What to ask for now. Gives back what is not needed.
    pub(super) fn totals(&self, now: UnixMicros, closing: bool) -> Totals {
        self.was_heard();
        let lease = self.lease.load();
        let wanted = self.wanted.load(Acquire);
        let idle = now.saturating_sub(self.used_at.load(Relaxed)) > IDLE_AFTER;
        let unused_single = self.is_single() && wanted == 0 && !self.taken_slot.load(Acquire);
        let returns_all = self.returns_all.swap(false, AcqRel) || closing || unused_single;
        if returns_all {
            lease.give_back(0);
        } else if idle && wanted == 0 {
            lease.give_back(self.kept(&lease));
        }
        let current = (lease.start..lease.end).contains(&now);
        let balance = if current { lease.balance.load(Acquire) } else { 0 };
        let need = if wanted > 0 { wanted.saturating_sub(balance).max(0) } else { 0 };
        let low = !current || balance < lease.last_grant.load(Relaxed) / 2 || lease.first_grant == 0;
        Totals {
            period: lease.start..lease.end,
            granted: lease.granted.load(Relaxed),
            returned: lease.returned.load(Relaxed),
            need: if closing { 0 } else { need },
            ahead: !closing && !self.is_single() && (low || returns_all) && !(idle && current && !returns_all),
        }
    }

    /// An answer to totals that were told.
    pub(super) fn granted(&self, answer: Answer, grant: &Grant, need: i64, now: UnixMicros) {
        let (start, end, total) = (grant.period.start, grant.period.end, grant.total);
        let lease = self.lease.load();
        if (lease.start, lease.end) == (start, end) {
            let more = total - lease.granted.load(Relaxed);
            if more > 0 {
                lease.granted.store(total, Relaxed);
                lease.last_grant.store(more, Relaxed);
                lease.balance.fetch_add(more, AcqRel);
            }
        } else if answer != Answer::None {
            let first_grant = total - grant.settled;
            let (balance, granted, last_grant) = (first_grant.into(), total.into(), first_grant.into());
            let next = Lease { start, end, balance, granted, last_grant, first_grant, ..Lease::default() };
            self.lease.store(Arc::new(next));
            self.largest.store(0, Relaxed);
            // Idleness counts from here.
            self.used_at.fetch_max(now, Relaxed);
            self.told.store(false, Relaxed);
        }
        self.short_of.store(if self.is_single() { need } else { 0 }, Relaxed);
        self.answered_at.store(now, Relaxed);
        self.answer.store(answer as u8, Release);
        self.answered.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn balance(&self) -> i64 {
        self.lease.load().balance.load(Relaxed)
    }
}

impl Lease {
    /// Returns what is there beyond `kept`.
    fn give_back(&self, kept: i64) {
        let mut surplus = 0;
        let taken = self.balance.fetch_update(AcqRel, Acquire, |balance| {
            surplus = balance - kept;
            (surplus > 0).then_some(kept)
        });
        if taken.is_ok() {
            self.returned.fetch_add(surplus, AcqRel);
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    account: &'a Account,
    amount: i64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.account.wanted.fetch_sub(self.amount, AcqRel);
    }
}

/// Leave to be the one request.
#[derive(Debug)]
pub(super) struct Slot(Arc<Account>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken_slot.store(false, Relaxed);
        self.0.answered.notify_waiters();
    }
}

/// What was taken from one budget; goes back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    account: Arc<Account>,
    lease: Arc<Lease>,
    amount: i64,
    slot: Option<Slot>,
    bells: Option<mpsc::Sender<Arc<Account>>>,
}

impl Taken {
    pub(super) fn new(
        account: &Arc<Account>,
        lease: Arc<Lease>,
        amount: i64,
        slot: Option<Slot>,
        bells: mpsc::Sender<Arc<Account>>,
    ) -> Self {
        let bells = slot.is_some().then_some(bells);
        Self { account: Arc::clone(account), lease, amount, slot, bells }
    }

    /// The request cost so much.
    pub(super) fn settle(mut self, spent: i64) {
        self.put_back(self.amount - spent);
    }

    fn put_back(&mut self, rest: i64) {
        self.amount = 0;
        self.lease.balance.fetch_add(rest, AcqRel);
        if self.account.wanted.load(Acquire) > 0 {
            self.account.answered.notify_waiters();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.amount != 0 {
            self.put_back(self.amount);
        }
        let single = self.slot.take().is_some();
        // What the one request did not need is for the others at once.
        if single
            && let Some(bells) = &self.bells
            && self.account.begins_to_ask()
            && bells.try_send(Arc::clone(&self.account)).is_err()
        {
            self.account.was_heard();
        }
    }
}
