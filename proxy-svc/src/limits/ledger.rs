//! A request's accounts with its limits, from its admission to its end.

use std::sync::Arc;

use super::{Limiter, Patience, Standings, Taken};
use crate::snapshot::AccessKey;

/// One a request. Tokens that it reserved and that nobody settled go back when it is dropped.
pub(crate) struct Ledger {
    pub(crate) patience: Patience,
    /// For the headers of the answer.
    pub(crate) standings: Standings,
    /// Whose request it is, once that is known.
    pub(crate) caller: Option<Arc<AccessKey>>,
    of_caller: Option<Reservation>,
    of_upstream: Option<Reservation>,
}

/// Tokens that are reserved.
struct Reservation {
    limiter: Arc<Limiter>,
    taken: Vec<Taken>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            patience: Patience::new(),
            standings: Standings::default(),
            caller: None,
            of_caller: None,
            of_upstream: None,
        }
    }

    pub(crate) fn reserve(&mut self, limiter: &Arc<Limiter>, taken: Vec<Taken>) {
        self.of_caller = Some(Reservation { limiter: Arc::clone(limiter), taken });
    }

    /// Another upstream key comes: what was reserved at the one before goes back.
    pub(crate) fn leave_upstream(&mut self) {
        self.of_upstream = None;
    }

    /// At the upstream key of the attempt that comes now.
    pub(crate) fn reserve_upstream(&mut self, limiter: &Arc<Limiter>, taken: Taken) {
        self.of_upstream = Some(Reservation { limiter: Arc::clone(limiter), taken: vec![taken] });
    }

    /// The request is over and used so many tokens.
    pub(crate) fn settle(&mut self, tokens: u64) {
        for reservation in [self.of_caller.take(), self.of_upstream.take()].into_iter().flatten() {
            reservation.settle(tokens);
        }
    }
}

impl Reservation {
    fn settle(mut self, tokens: u64) {
        let now = self.limiter.timer.now();
        // Nothing is left to be given back.
        for mut taken in self.taken.drain(..) {
            taken.settle(tokens, now);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let now = self.limiter.timer.now();
        for taken in &mut self.taken {
            taken.settle(0, now);
        }
    }
}
