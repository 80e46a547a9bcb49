//! What a request has of an account: its place in the line, its turn, what it took. Each goes back when it is dropped.

use std::sync::{
    Arc,
    atomic::Ordering::{AcqRel, Relaxed},
};

use tokio::sync::mpsc;

use super::Account;

/// A request that waits.
#[derive(Debug)]
pub(in super::super) struct Waiting<'a> {
    account: &'a Account,
    amount: i64,
}

impl<'a> Waiting<'a> {
    pub(super) const fn new(account: &'a Account, amount: i64) -> Self {
        Self { account, amount }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.account.waiting.leave(self.amount);
    }
}

/// Leave to be the one request.
#[derive(Debug)]
pub(in super::super) struct Slot(Arc<Account>);

impl Slot {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self(Arc::clone(account))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken_slot.store(false, Relaxed);
        self.0.answered.notify_waiters();
    }
}

/// What was taken from one budget; goes back when dropped.
#[derive(Debug)]
pub(in super::super) struct Taken {
    account: Arc<Account>,
    amount: i64,
    slot: Option<Slot>,
    bells: Option<mpsc::Sender<Arc<Account>>>,
}

impl Taken {
    pub(in super::super) fn new(
        account: &Arc<Account>,
        amount: i64,
        slot: Option<Slot>,
        bells: mpsc::Sender<Arc<Account>>,
    ) -> Self {
        let bells = slot.is_some().then_some(bells);
        Self { account: Arc::clone(account), amount, slot, bells }
    }

    pub(super) fn overdrawn(account: &Arc<Account>, amount: i64) -> Self {
        Self { account: Arc::clone(account), amount, slot: None, bells: None }
    }

    /// The request cost so much.
    pub(in super::super) fn settle(mut self, spent: i64) {
        self.account.outlook.spend(spent);
        self.put_back(self.amount - spent);
    }

    fn put_back(&mut self, rest: i64) {
        self.amount = 0;
        self.account.balance.fetch_add(rest, AcqRel);
        if !self.account.waiting.is_empty() {
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
