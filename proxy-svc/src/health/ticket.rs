//! One attempt's account with a key's health: opened when the key is chosen, settled by what comes of it.
//!
//! Dropped without an outcome (the caller left, the request could not be said in the provider's protocol), it changes
//! nothing and gives back the permit for a trial, if it had it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tollgate_dialect::classify::{Left, Quota};
use tollgate_shared::clock::UnixMicros;

use super::{
    Moment, circuit, day,
    key::{KeyHealth, ModelHealth},
    reason::Cause,
};
use crate::snapshot::ProviderKind;

/// What an attempt found out about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    RateLimited {
        wait: Option<Duration>,
        quota: Quota,
    },
    Failed(Cause),
    /// With how long the provider asks to be left alone.
    Overloaded(Option<Duration>),
    /// 401, 402, and a 400 that says so, are about the key. Anything else is about the model, too: a provider also refuses
    /// what a key may not use, and no caller shall take a key from the others by asking for it.
    Refused(u16),
    /// The request's own fault, or a time that the caller set.
    Neutral,
}

/// The shortest and the longest time that a day's quota is taken to be spent, where its reset is not known.
const DAY_SPENT: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(24));

#[derive(Debug)]
pub(crate) struct Ticket {
    key: Arc<KeyHealth>,
    known: Option<Arc<ModelHealth>>,
    /// Only of a model that is not known yet.
    name: Box<str>,
    kind: ProviderKind,
    began: Moment,
    tries_account: bool,
    tries_circuit: bool,
}

impl Ticket {
    pub(super) fn open(key: &Arc<KeyHealth>, model: &str, kind: ProviderKind, now: Moment) -> Self {
        let known = key.known(model);
        let name = if known.is_some() { Box::default() } else { model.into() };
        if let Some(model) = &known {
            model.vitals.enter();
            model.used(now);
        }
        let (tries_account, tries_circuit) = (false, false);
        Self { key: Arc::clone(key), known, name, kind, began: now, tries_account, tries_circuit }
    }

    /// Takes the permits that are due; false when another request was faster.
    pub(crate) fn claim(&mut self, now: Moment) -> bool {
        use super::Standing::TrialDue;
        if self.key.account.standing(now) == TrialDue {
            self.tries_account = self.key.account.claim(now);
            if !self.tries_account {
                return false;
            }
        }
        if let Some(model) = &self.known
            && model.circuit.standing(now) == TrialDue
        {
            self.tries_circuit = model.circuit.claim(now);
            return self.tries_circuit;
        }
        self.tries_account
    }

    /// Nothing of an answer came that counts, or it broke off.
    pub(crate) fn failed(&mut self, verdict: Verdict, now: Moment, wall: UnixMicros) {
        if verdict == Verdict::Neutral {
            return self.neutral(now);
        }
        let (of_account, of_circuit) = self.attempts();
        match verdict {
            Verdict::RateLimited { quota: Quota::Spent, .. } => {
                self.key.tally.spent.fetch_add(1, Relaxed);
                self.key.account.spent(of_account, now);
            }
            Verdict::RateLimited { .. } => self.key.account.accepted(of_account, now),
            Verdict::Refused(status @ 400..=402) => {
                self.key.tally.refused.fetch_add(1, Relaxed);
                self.key.account.refused(of_account, Some(status), now);
            }
            Verdict::Refused(_) | Verdict::Failed(_) | Verdict::Overloaded(_) | Verdict::Neutral => {}
        }
        if let Some(model) = self.model(now) {
            self.of_model(&model, verdict, of_circuit, now, wall);
        }
        self.release(now);
    }

    fn of_model(
        &self,
        model: &ModelHealth,
        verdict: Verdict,
        attempt: circuit::Attempt,
        now: Moment,
        wall: UnixMicros,
    ) {
        let counter = match verdict {
            Verdict::RateLimited { wait, quota } => {
                match quota {
                    Quota::Window => model.allowance.limited(attempt, wait, now),
                    Quota::Day => model.allowance.day_spent(attempt, self.day_reset(wait, wall), now),
                    Quota::Spent => return,
                }
                &model.tally.rate_limited
            }
            Verdict::Refused(400..=402) | Verdict::Neutral => return,
            Verdict::Refused(status) => {
                model.circuit.refused(attempt, status, now);
                &model.tally.refused
            }
            Verdict::Failed(cause) => {
                model.vitals.ended(false, now);
                model.circuit.failed(attempt, cause, now, fastrand::f64());
                model.tally.of(cause)
            }
            Verdict::Overloaded(wait) => {
                model.vitals.ended(false, now);
                model.circuit.overloaded(attempt, wait, now, fastrand::f64());
                model.tally.of(Cause::Overloaded)
            }
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The model has said something.
    pub(crate) fn committed(&mut self, took: Duration, left: Option<Left>, now: Moment) {
        let (of_account, of_circuit) = self.attempts();
        self.key.account.accepted(of_account, now);
        if let Some(model) = self.model(now) {
            if model.circuit.committed(of_circuit, now) {
                // What comes after this is about the state that it led to.
                self.began = now;
            }
            model.vitals.first_token(took, now);
            model.allowance.passed(of_circuit, now);
            if let Some(left) = left {
                model.allowance.told(of_circuit, left, now);
            }
        }
        (self.tries_account, self.tries_circuit) = (false, false);
    }

    /// Its answer has come to its end.
    pub(crate) fn completed(&mut self, now: Moment) {
        let Some(model) = self.model(now) else { return };
        model.tally.ok.fetch_add(1, Relaxed);
        model.vitals.ended(true, now);
        model.circuit.completed(self.attempts().1, now);
    }

    /// The request's own fault: it says nothing of the key.
    pub(crate) fn neutral(&mut self, now: Moment) {
        self.release(now);
    }

    /// The gateway's own limit of the key is used up for so long: nothing is sent with it, and no request considers it.
    pub(crate) fn capped(&mut self, wait: Duration, now: Moment) {
        self.key.exhausted_until(now.after(wait), now);
        self.release(now);
    }

    /// A model's name is kept from its first outcome on.
    fn model(&mut self, now: Moment) -> Option<Arc<ModelHealth>> {
        if self.known.is_none() {
            self.known = self.key.remember(&self.name, now);
            if let Some(model) = &self.known {
                model.vitals.enter();
            }
        }
        self.known.clone()
    }

    fn attempts(&self) -> (circuit::Attempt, circuit::Attempt) {
        let attempt = |is_trial| circuit::Attempt { began: self.began, is_trial };
        (attempt(self.tries_account), attempt(self.tries_circuit))
    }

    fn day_reset(&self, wait: Option<Duration>, wall: UnixMicros) -> Duration {
        match self.kind {
            ProviderKind::Gemini => day::until_pacific_midnight(wall),
            _ => wait.unwrap_or(DAY_SPENT.0).clamp(DAY_SPENT.0, DAY_SPENT.1),
        }
    }

    fn release(&mut self, now: Moment) {
        if std::mem::take(&mut self.tries_account) {
            self.key.account.released(now);
        }
        if let (true, Some(model)) = (std::mem::take(&mut self.tries_circuit), &self.known) {
            model.circuit.released(now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // The time at which it began is late enough: a trial was due then.
        self.release(self.began);
        if let Some(model) = &self.known {
            model.vitals.leave();
        }
    }
}
