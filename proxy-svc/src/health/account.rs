//! What concerns an upstream key as a whole: refused credentials, a spent account, the key's own cap.

use std::time::Duration;

use parking_lot::Mutex;

use super::{
    Moment,
    circuit::{Attempt, Told},
    gate::{Gate, KeyState, Standing},
    reason::Reason,
};

/// Then one request finds out whether the provider takes the key again.
const REFUSED_FOR: Duration = Duration::from_mins(10);
const SPENT_FOR: Duration = Duration::from_hours(1);

#[derive(Debug, Default)]
pub(super) struct Account {
    gate: Gate,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    changed_at: Moment,
    reason: Reason,
    /// What the next trial is of.
    out: Option<KeyState>,
    is_news: bool,
}

impl Account {
    pub(super) fn standing(&self, now: Moment) -> Standing {
        self.gate.standing(now)
    }

    pub(super) fn claim(&self, now: Moment) -> bool {
        self.gate.claim(now).is_some()
    }

    pub(super) fn refused(&self, attempt: Attempt, status: Option<u16>, now: Moment) {
        self.shut(attempt, KeyState::Refused, Reason::Refused { status }, REFUSED_FOR, now);
    }

    pub(super) fn spent(&self, attempt: Attempt, now: Moment) {
        self.shut(attempt, KeyState::Spent, Reason::Spent, SPENT_FOR, now);
    }

    fn shut(&self, attempt: Attempt, state: KeyState, reason: Reason, time: Duration, now: Moment) {
        let mut inner = self.inner.lock();
        if attempt.is_trial || attempt.began >= inner.changed_at {
            inner.change(reason, now);
            inner.out = Some(state);
            self.gate.set(state, now.after(time));
        }
    }

    /// The provider took the key.
    pub(super) fn accepted(&self, attempt: Attempt, now: Moment) {
        if self.gate.is_clean() {
            return;
        }
        let mut inner = self.inner.lock();
        let is_capped = self.gate.get().0 == KeyState::Cooling;
        if !is_capped && (attempt.is_trial || attempt.began >= inner.changed_at) {
            inner.change(Reason::None, now);
            inner.out = None;
            self.gate.set(KeyState::Healthy, Moment(0));
        }
    }

    /// As [`super::circuit::Circuit::released`].
    pub(super) fn released(&self, now: Moment) {
        let inner = self.inner.lock();
        if self.gate.get().0 == KeyState::HalfOpen {
            self.gate.set(inner.out.unwrap_or(KeyState::Refused), now);
        }
    }

    /// Nothing may be sent with it until then, for a reason of this gateway's own. What the provider said of the key
    /// weighs more.
    pub(super) fn capped(&self, until: Moment, now: Moment) {
        let mut inner = self.inner.lock();
        let (state, present) = self.gate.get();
        if matches!(state, KeyState::Healthy | KeyState::Cooling) {
            if matches!(self.gate.standing(now), Standing::Ready) {
                inner.change(Reason::Capped, now);
            }
            let until = if state == KeyState::Cooling { until.max(present) } else { until };
            self.gate.set(KeyState::Cooling, until);
        }
    }

    /// Somebody else saw it work: the next request is a trial.
    pub(super) fn seen_working(&self, now: Moment) {
        let _inner = self.inner.lock();
        let (state, until) = self.gate.get();
        if matches!(state, KeyState::Refused | KeyState::Spent) {
            self.gate.set(state, until.min(now));
        }
    }

    /// Somebody else saw it refused.
    pub(super) fn seen_refused(&self, until: Moment, now: Moment) {
        self.seen(KeyState::Refused, Reason::Refused { status: None }, until, now);
    }

    /// Somebody else saw that it has no credit left.
    pub(super) fn seen_spent(&self, until: Moment, now: Moment) {
        self.seen(KeyState::Spent, Reason::Spent, until, now);
    }

    fn seen(&self, state: KeyState, reason: Reason, until: Moment, now: Moment) {
        let mut inner = self.inner.lock();
        if matches!(self.gate.get().0, KeyState::Healthy | KeyState::Cooling) {
            inner.change(reason, now);
            inner.out = Some(state);
            self.gate.set(state, until);
        }
    }

    pub(super) fn tell(&self, now: Moment) -> Option<Told> {
        let mut inner = self.inner.lock();
        let is_news = std::mem::take(&mut inner.is_news);
        let (since, reason) = (inner.changed_at, inner.reason);
        let (state, until) = match self.gate.standing(now) {
            Standing::Ready if is_news => (KeyState::Healthy, None),
            Standing::Ready => return None,
            Standing::TrialDue => {
                let (state, until) = self.gate.get();
                (state, Some(until))
            }
            Standing::Out { state: KeyState::HalfOpen, .. } => (KeyState::HalfOpen, None),
            Standing::Out { state, until } => (state, Some(until)),
        };
        let reason = if state == KeyState::Healthy { Reason::None } else { reason };
        Some(Told { state, until, since, reason, is_news })
    }
}

impl Inner {
    fn change(&mut self, reason: Reason, now: Moment) {
        self.changed_at = now;
        self.reason = reason;
        self.is_news = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000);

    fn attempt(is_trial: bool) -> Attempt {
        Attempt { began: NOW, is_trial }
    }

    #[test]
    fn a_refused_key_is_tried_again_after_ten_minutes_by_one_request() {
        let account = Account::default();
        account.refused(attempt(false), Some(401), NOW);
        let before = NOW.after(Duration::from_secs(599));
        assert!(matches!(account.standing(before), Standing::Out { state: KeyState::Refused, .. }));
        let due = NOW.after(REFUSED_FOR);
        assert!(account.claim(due) && !account.claim(due));
        account.refused(attempt(true), Some(401), due);
        assert!(matches!(account.standing(due), Standing::Out { state: KeyState::Refused, .. }));
        let due = due.after(REFUSED_FOR);
        assert!(account.claim(due));
        account.accepted(attempt(true), due);
        assert_eq!(account.standing(due), Standing::Ready);
    }

    #[test]
    fn a_spent_account_rests_for_an_hour() {
        let account = Account::default();
        account.spent(attempt(false), NOW);
        assert!(matches!(account.standing(NOW.after(Duration::from_mins(59))), Standing::Out { .. }));
        assert_eq!(account.standing(NOW.after(SPENT_FOR)), Standing::TrialDue);
        account.seen_working(NOW);
        assert_eq!(account.standing(NOW), Standing::TrialDue);
    }

    #[test]
    fn the_own_cap_ends_by_itself_and_does_not_hide_a_refusal() {
        let account = Account::default();
        account.capped(NOW.after(SPENT_FOR), NOW);
        assert!(matches!(account.standing(NOW), Standing::Out { state: KeyState::Cooling, .. }));
        account.accepted(attempt(false), NOW);
        assert!(matches!(account.standing(NOW), Standing::Out { state: KeyState::Cooling, .. }));
        assert_eq!(account.standing(NOW.after(SPENT_FOR)), Standing::Ready);
        account.refused(attempt(false), Some(401), NOW);
        account.capped(NOW.after(SPENT_FOR), NOW);
        assert!(matches!(account.standing(NOW), Standing::Out { state: KeyState::Refused, .. }));
    }

    #[test]
    fn a_straggler_does_not_bring_it_back() {
        let account = Account::default();
        account.refused(attempt(false), Some(401), NOW.after(Duration::from_secs(1)));
        account.accepted(attempt(false), NOW.after(Duration::from_secs(2)));
        assert!(matches!(account.standing(NOW), Standing::Out { state: KeyState::Refused, .. }));
    }
}
