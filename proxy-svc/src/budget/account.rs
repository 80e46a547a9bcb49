//! What this proxy has of one budget, in totals since its start, and who waits for more. Atomics only; the one that
//! talks to the control plane ([`super::borrow`]) is the only writer of totals.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicI64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, futures::Notified};
use tollgate_shared::{clock::UnixMicros, limits::LeaseMode};

mod line;
mod outlook;
mod taken;

pub(super) use taken::{Slot, Taken, Waiting};

use self::{
    line::{Line, Wanted},
    outlook::Outlook,
};
use super::BudgetKey;
use crate::snapshot::Budget;

/// What is not used for so long goes back, but for what the next request will want.
const IDLE_AFTER: UnixMicros = 15_000_000;
/// A removed budget's totals are kept for so long: it may be set again while something is under way.
const FORGOTTEN_AFTER: UnixMicros = 3_600_000_000;
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

/// One budget. It outlasts its definition: what is under way stays known when the budget is changed, or removed and set
/// again.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) key: BudgetKey,
    budget: ArcSwap<Budget>,
    /// Granted − returned − spent − reserved: less than nothing when requests cost more than they had reserved.
    balance: AtomicI64,
    granted: AtomicI64,
    returned: AtomicI64,
    /// Of what was returned, what the control plane has heard of.
    told_returned: AtomicI64,
    last_grant: AtomicI64,
    /// What was in hand after the period's first grant.
    first_grant: AtomicI64,
    /// Of the last grant; both 0 before the first one.
    period_start: AtomicI64,
    period_end: AtomicI64,
    /// It is in line to be asked for.
    asking: AtomicBool,
    waiting: Line,
    outlook: Outlook,
    answered: Notify,
    /// The largest reservation of late.
    largest: AtomicI64,
    used_at: AtomicI64,
    /// A request is under way, where there may be one only.
    taken_slot: AtomicBool,
    /// Everything goes back with the next ask: the budget has changed.
    returns_all: AtomicBool,
    /// When the budget was removed; 0 while there is one.
    closed_at: AtomicI64,
    told: AtomicBool,
}

/// What was granted, as totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) period: Range<UnixMicros>,
    pub(super) total: i64,
    /// Of that, what is not to be spent any more, where no totals were known.
    pub(super) settled: i64,
    /// What was returned.
    pub(super) returned: i64,
    /// Of the budget, what is neither spent nor this proxy's.
    pub(super) elsewhere: i64,
}

/// The totals of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) period: Range<UnixMicros>,
    pub(super) granted: i64,
    pub(super) returned: i64,
    pub(super) need: i64,
    /// What the smallest request needs of that.
    pub(super) least: i64,
    pub(super) ahead: bool,
}

impl Account {
    pub(super) fn new(key: BudgetKey, budget: Budget) -> Self {
        Self {
            key,
            budget: ArcSwap::from_pointee(budget),
            balance: AtomicI64::new(0),
            granted: AtomicI64::new(0),
            returned: AtomicI64::new(0),
            told_returned: AtomicI64::new(0),
            last_grant: AtomicI64::new(0),
            first_grant: AtomicI64::new(0),
            period_start: AtomicI64::new(0),
            period_end: AtomicI64::new(0),
            asking: AtomicBool::new(false),
            waiting: Line::default(),
            outlook: Outlook::default(),
            answered: Notify::new(),
            largest: AtomicI64::new(0),
            used_at: AtomicI64::new(0),
            taken_slot: AtomicBool::new(false),
            returns_all: AtomicBool::new(false),
            closed_at: AtomicI64::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// Takes so much, or nothing; whether it did.
    pub(super) fn take(&self, now: UnixMicros, amount: i64) -> bool {
        self.used_at.store(now, Relaxed);
        let enough = |balance: i64| (balance >= amount).then(|| balance - amount);
        let taken = self.balance.fetch_update(AcqRel, Acquire, enough).is_ok();
        if taken {
            // What could not be had is nothing to keep for the next one.
            self.largest.fetch_max(amount, Relaxed);
        }
        taken
    }

    /// Whether it is time to ask for more.
    pub(super) fn is_low(&self) -> bool {
        self.balance.load(Relaxed) < self.last_grant.load(Relaxed) / 2 && !self.is_single()
    }

    /// What a request needs beyond what is in hand.
    fn need(&self, amount: i64) -> i64 {
        amount.saturating_sub(self.balance.load(Relaxed))
    }

    /// Whether it was said a moment ago that nothing is left to lend ahead of need.
    pub(super) fn is_dry(&self, now: UnixMicros) -> bool {
        self.outlook.is_dry(now)
    }

    /// Whether it was said a moment ago that there is not so much left to lend.
    pub(super) fn was_short(&self, now: UnixMicros, amount: i64) -> bool {
        self.outlook.was_short(now, self.need(amount))
    }

    /// Whether so much could be had if requests under way, here and at other proxies, cost nothing.
    pub(super) fn may_have(&self, amount: i64) -> bool {
        self.outlook.may_have(amount)
    }

    /// Whether so much cannot be had any more in this period, whatever comes back.
    pub(super) fn is_out_of_reach(&self, now: UnixMicros, amount: i64) -> bool {
        self.outlook.answer() != Answer::None && self.period().contains(&now) && !self.may_have(amount)
    }

    /// For how long another answer would say the same to a request that may cost so much.
    pub(super) fn same_answer_for(&self, now: UnixMicros, amount: i64) -> Duration {
        self.outlook.lasts_for(now, self.need(amount))
    }

    /// Whether the control plane has said anything since.
    pub(super) fn was_answered_since(&self, then: UnixMicros) -> bool {
        self.outlook.was_answered_since(then)
    }

    /// Resolves with the next answer, and when something was given back.
    pub(super) fn answered(&self) -> Notified<'_> {
        self.answered.notified()
    }

    /// Counts as waiting until the guard is dropped.
    pub(super) fn wait_for(&self, amount: i64) -> Waiting<'_> {
        self.waiting.join(amount);
        Waiting::new(self, amount)
    }

    /// The one place of a budget that takes one request at a time.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let is_free = !self.taken_slot.swap(true, AcqRel);
        is_free.then(|| Slot::new(self))
    }

    /// Takes what is not there; for a budget that is only counted.
    pub(super) fn overdraw(self: &Arc<Self>, amount: i64) -> Taken {
        self.balance.fetch_sub(amount, AcqRel);
        Taken::overdrawn(self, amount)
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

    /// Takes over a definition of the budget; whether it is another one, or there was none a moment ago.
    pub(super) fn change(&self, budget: Budget) -> bool {
        let was_closed = self.closed_at.swap(0, Relaxed) != 0;
        if **self.budget.load() == budget && !was_closed {
            return false;
        }
        self.budget.store(Arc::new(budget));
        self.withdraw();
        true
    }

    /// The budget was removed; whether that is new.
    pub(super) fn close(&self, now: UnixMicros) -> bool {
        if self.is_closed() {
            return false;
        }
        self.closed_at.store(now.max(1), Relaxed);
        self.withdraw();
        true
    }

    /// Nothing is left to take, and everything goes back: requests get nothing from a definition that is not in force
    /// any more.
    fn withdraw(&self) {
        self.outlook.forget();
        self.told.store(false, Relaxed);
        self.returns_all.store(true, Relaxed);
        self.give_back(0);
    }

    fn is_closed(&self) -> bool {
        self.closed_at.load(Relaxed) != 0
    }

    fn is_single(&self) -> bool {
        self.budget.load().lease == LeaseMode::Single
    }

    fn is_idle(&self, now: UnixMicros) -> bool {
        now.saturating_sub(self.used_at.load(Relaxed)) > IDLE_AFTER
    }

    /// Somebody, here or at another proxy, needs more than is left to lend. What is in hand may be the part that is missing.
    pub(super) fn runs_short(&self) {
        self.outlook.run_short();
    }

    /// Whether what is in hand is of use to nobody here, and may be to somebody elsewhere.
    fn keeps_nothing(&self) -> bool {
        let is_unused = || self.waiting.is_empty() && !self.taken_slot.load(Acquire);
        self.is_closed() || (self.is_single() || self.is_short()) && is_unused()
    }

    /// Whether the last answer was that less is left than was needed.
    fn is_short(&self) -> bool {
        self.outlook.answer() == Answer::Spent && self.budget.load().hard
    }

    fn kept(&self) -> i64 {
        self.largest.load(Relaxed).max(self.first_grant.load(Relaxed) / KEPT_PARTS)
    }

    fn has_told_all(&self) -> bool {
        self.returned.load(Relaxed) <= self.told_returned.load(Relaxed)
    }

    /// Whether there is something to be told that nobody rings for.
    pub(super) fn is_due(&self, now: UnixMicros) -> bool {
        let balance = self.balance.load(Relaxed);
        let gives = if self.keeps_nothing() { balance > 0 } else { self.is_idle(now) && balance > self.kept() };
        gives || !self.has_told_all()
    }

    /// Whether its totals are of no use any more: the budget was removed long ago, and the control plane knows them.
    pub(super) fn is_forgettable(&self, now: UnixMicros) -> bool {
        let gone = now.saturating_sub(self.closed_at.load(Relaxed)) > FORGOTTEN_AFTER;
        self.is_closed() && gone && self.balance.load(Relaxed) <= 0 && self.has_told_all()
    }

    /// Of the last grant.
    fn period(&self) -> Range<UnixMicros> {
        self.period_start.load(Relaxed)..self.period_end.load(Relaxed)
    }

    /// Whether something was granted already.
    pub(super) fn has_begun(&self) -> bool {
        self.period_end.load(Relaxed) > 0
    }

    /// Whether something was borrowed, or is wanted.
    pub(super) fn totals_are_known(&self) -> bool {
        self.has_begun() || !self.waiting.is_empty()
    }

    /// What to ask for now. Gives back what is not needed.
    pub(super) fn totals(&self, now: UnixMicros, closing: bool) -> Totals {
        self.was_heard();
        let closing = closing || self.is_closed();
        let idle = self.is_idle(now);
        // What is in small parts at several proxies is enough for none: it goes back, and whoever asks gets all of it.
        let is_short = self.is_short();
        let returns_all = self.returns_all.swap(false, AcqRel) || closing || is_short || self.keeps_nothing();
        if returns_all {
            self.give_back(0);
        } else if idle && self.waiting.is_empty() {
            self.give_back(self.kept());
        }
        let balance = self.balance.load(Acquire);
        // Those that were refused a moment ago wait for what comes back, and keep nobody else from being asked for.
        let in_vain = balance.saturating_add(self.outlook.in_vain_from(now));
        let wanted = if closing { Wanted::default() } else { self.waiting.below(in_vain) };
        // What requests cost beyond their reservations has to be filled up first.
        let needs = |wanted: i64| if wanted > 0 { wanted.saturating_sub(balance).max(0) } else { 0 };
        let low = balance < self.last_grant.load(Relaxed) / 2 || self.first_grant.load(Relaxed) <= 0;
        let refills = returns_all || low && !(idle && self.has_begun());
        Totals {
            period: self.period(),
            granted: self.granted.load(Relaxed),
            returned: self.returned.load(Relaxed),
            need: needs(wanted.total),
            least: needs(wanted.least),
            ahead: refills && !closing && !is_short && !self.is_single(),
        }
    }

    /// An answer to totals that were told.
    pub(super) fn granted(&self, answer: Answer, grant: &Grant, asked: &Totals, now: UnixMicros) {
        self.told_returned.store(asked.returned, Relaxed);
        let begins = !self.has_begun() && answer != Answer::None;
        if begins {
            self.granted.store(grant.settled, Relaxed);
            self.returned.store(grant.returned, Relaxed);
            self.told_returned.store(grant.returned, Relaxed);
            self.outlook.begin_with(grant.settled - grant.returned);
        }
        if begins || answer != Answer::None && self.period() != grant.period {
            self.enter(&grant.period, now);
        }
        // An ask of before arrived late, and without totals: what it made the control plane take back is not there any more.
        let taken_back = grant.returned - asked.returned;
        if !begins && taken_back > 0 {
            self.returned.fetch_add(taken_back, AcqRel);
            self.balance.fetch_sub(taken_back, AcqRel);
        }
        let more = grant.total - self.granted.load(Relaxed);
        if begins || more > 0 {
            self.granted.store(grant.total, Relaxed);
            let balance = self.balance.fetch_add(more, AcqRel) + more;
            // What filled up a deficit is nothing to measure the next ask by.
            self.last_grant.store(more.min(balance), Relaxed);
            if self.first_grant.load(Relaxed) <= 0 {
                self.first_grant.store(balance, Relaxed);
            }
        }
        if self.returns_all.load(Relaxed) {
            // The budget has changed since.
            self.outlook.forget();
        } else {
            let reach = grant.elsewhere.saturating_add(grant.total - grant.returned);
            self.outlook.record(answer, reach, asked.least, now);
        }
        self.answered.notify_waiters();
    }

    /// What was learnt of a period says nothing about the next; what is in hand is good in it.
    fn enter(&self, period: &Range<UnixMicros>, now: UnixMicros) {
        self.period_start.store(period.start, Relaxed);
        self.period_end.store(period.end, Relaxed);
        self.largest.store(0, Relaxed);
        self.first_grant.store(0, Relaxed);
        self.told.store(false, Relaxed);
        // Idleness counts from here.
        self.used_at.fetch_max(now, Relaxed);
    }

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

    #[cfg(test)]
    pub(super) fn balance(&self) -> i64 {
        self.balance.load(Relaxed)
    }
}
