//! The breaker of one key × model: failures in a row take it out, a trial brings it back.
//!
//! One blip changes nothing. The third failure in a row ejects for 30 s, the next time for 60 s, at most for 300 s.
//! Being out does not mean being forgotten: 5 s after the ejection, then after 10 s, then every 15 s, one request is
//! let through as a trial. So a key is back within 15 s after its provider is, as long as there are requests, however
//! long its ejection is. What the ejection's length decides is whose request may be the trial: before its end only one
//! that can still go elsewhere, afterwards any.
//!
//! A provider that is overloaded may say for how long it wants to be left alone. Then a single failure lets the key
//! rest for that time, and a trial waits for it, too; otherwise an overload is a failure like any other.

use std::time::Duration;

use parking_lot::Mutex;

use super::{
    Moment,
    allowance::{LONGEST, SHORTEST_REST},
    gate::{Gate, KeyState, Standing},
    reason::{Cause, Reason},
};

/// Failures in a row that eject.
const THRESHOLD: u32 = 3;
const EJECTION: Duration = Duration::from_secs(30);
const LONGEST_EJECTION: Duration = Duration::from_mins(5);
const FIRST_TRIAL: Duration = Duration::from_secs(5);
const LONGEST_TRIAL: Duration = Duration::from_secs(15);
/// A trial comes this much earlier at most, so that many proxies do not try in the same moment.
const JITTER: f64 = 0.2;
/// After so long without an ejection, the next one is a first one again.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(5);
/// Until the provider is asked again whether it serves this model with this key.
const REFUSED_FOR: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Circuit {
    gate: Gate,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    /// Ejections in a row.
    times: u32,
    /// When the present ejection is over; of the last one when there is none.
    ends_at: Moment,
    /// Trials of the present ejection.
    trials: u32,
    /// Outcomes of attempts that began before are about a state that is over.
    changed_at: Moment,
    reason: Reason,
    /// What the next trial is of.
    out: Option<KeyState>,
    is_news: bool,
}

/// An attempt, as a state must know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) began: Moment,
    /// It has the permit of this state.
    pub(super) is_trial: bool,
}

/// What is told of a state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) state: KeyState,
    pub(super) until: Option<Moment>,
    pub(super) since: Moment,
    pub(super) reason: Reason,
    /// It changed since it was last told.
    pub(super) is_news: bool,
}

impl Circuit {
    pub(super) fn standing(&self, now: Moment) -> Standing {
        self.gate.standing(now)
    }

    pub(super) fn claim(&self, now: Moment) -> bool {
        self.gate.claim(now).is_some()
    }

    /// Whether it rests because its provider was overloaded and asked for it.
    pub(super) fn is_resting(&self, now: Moment) -> bool {
        matches!(self.standing(now), Standing::Out { state: KeyState::Cooling, .. })
    }

    /// Whether the ejection's time is over, so that any request may be its trial.
    pub(super) fn is_overdue(&self, now: Moment) -> bool {
        self.inner.lock().ends_at <= now
    }

    /// What took it out, while it is out.
    pub(super) fn reason(&self) -> Reason {
        self.inner.lock().reason
    }

    /// `chance`: 0 to 1, for the jitter.
    pub(super) fn failed(&self, attempt: Attempt, cause: Cause, now: Moment, chance: f64) {
        self.count(attempt, cause, None, now, chance);
    }

    /// `wait`: as the provider asks for it.
    pub(super) fn overloaded(&self, attempt: Attempt, wait: Option<Duration>, now: Moment, chance: f64) {
        let wait = wait.map(|wait| wait.clamp(SHORTEST_REST, LONGEST));
        self.count(attempt, Cause::Overloaded, wait, now, chance);
    }

    fn count(&self, attempt: Attempt, cause: Cause, wait: Option<Duration>, now: Moment, chance: f64) {
        let mut inner = self.inner.lock();
        if inner.is_straggler(attempt) {
            return;
        }
        // What was asked before goes on.
        let rest = || if self.is_resting(now) { self.gate.get().1.since(now) } else { Duration::ZERO };
        let asked = wait.unwrap_or_else(rest);
        match self.state(now) {
            KeyState::Healthy | KeyState::Cooling => {
                inner.failures += 1;
                let failures = inner.failures;
                if failures >= THRESHOLD {
                    inner.eject(Reason::Failing { failures, cause }, asked, now);
                    self.wait_for_trial(&mut inner, asked, now, chance);
                } else if let Some(wait) = wait {
                    inner.change(Reason::Overloaded { wait }, now);
                    inner.failures = failures;
                    self.gate.set(KeyState::Cooling, now.after(wait));
                } else if self.state(now) == KeyState::Healthy {
                    self.gate.set(KeyState::Healthy, Moment(failures.into()));
                }
            }
            KeyState::HalfOpen if attempt.is_trial => {
                if inner.ends_at <= now {
                    inner.eject(Reason::TrialFailed { cause }, asked, now);
                }
                self.wait_for_trial(&mut inner, asked, now, chance);
            }
            // One that was sent there for want of a better one learns nothing new.
            _ => {}
        }
    }

    /// The model has said something: a trial that came so far has succeeded. One more failure ejects again, until an
    /// answer has come to its end. Returns whether this brought it back.
    pub(super) fn committed(&self, attempt: Attempt, now: Moment) -> bool {
        if self.gate.get().0 == KeyState::Healthy {
            return false;
        }
        let mut inner = self.inner.lock();
        let counts = !inner.is_straggler(attempt);
        if counts && self.gate.get().0 == KeyState::Cooling {
            self.wake(&mut inner, now);
        } else if counts {
            self.readmit(&mut inner, THRESHOLD - 1, now);
        }
        counts
    }

    /// An answer has come to its end.
    pub(super) fn completed(&self, attempt: Attempt, now: Moment) {
        if self.gate.is_clean() {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.is_straggler(attempt) {
            return;
        }
        match self.gate.get().0 {
            KeyState::Healthy => {
                inner.failures = 0;
                self.gate.set(KeyState::Healthy, Moment(0));
            }
            _ => self.readmit(&mut inner, 0, now),
        }
    }

    /// The provider does not serve this model with this key.
    pub(super) fn refused(&self, attempt: Attempt, status: u16, now: Moment) {
        let mut inner = self.inner.lock();
        if inner.is_straggler(attempt) {
            return;
        }
        inner.change(Reason::Refused { status: Some(status).filter(|status| *status >= 400) }, now);
        inner.out = Some(KeyState::Refused);
        inner.ends_at = now.after(REFUSED_FOR);
        self.gate.set(KeyState::Refused, inner.ends_at);
    }

    /// The trial ended without telling anything: the next request may be one.
    pub(super) fn released(&self, now: Moment) {
        let inner = self.inner.lock();
        if self.gate.get().0 == KeyState::HalfOpen {
            self.gate.set(inner.out.unwrap_or(KeyState::Ejected), now);
        }
    }

    /// Somebody else saw it work: the next request is a trial.
    pub(super) fn seen_working(&self, now: Moment) {
        let mut inner = self.inner.lock();
        let (state, until) = self.gate.get();
        if matches!(state, KeyState::Ejected | KeyState::Refused) {
            inner.ends_at = inner.ends_at.min(now);
            self.gate.set(state, until.min(now));
        }
    }

    /// Somebody else saw it fail. They may be wrong, so trials come as ever.
    pub(super) fn seen_failing(&self, reason: Reason, until: Moment, now: Moment) {
        let mut inner = self.inner.lock();
        if self.state(now) == KeyState::Healthy {
            inner.change(reason, now);
            inner.out = Some(KeyState::Ejected);
            inner.ends_at = until;
            self.gate.set(KeyState::Ejected, until.min(now.after(FIRST_TRIAL)));
        }
    }

    /// `None` when there is nothing to tell: it is healthy, and was before.
    pub(super) fn tell(&self, now: Moment) -> Option<Told> {
        let mut inner = self.inner.lock();
        let (state, until) = (self.state(now), self.gate.get().1);
        let is_news = std::mem::take(&mut inner.is_news);
        let until = match state {
            KeyState::Healthy | KeyState::HalfOpen => None,
            KeyState::Ejected => Some(inner.ends_at),
            KeyState::Cooling | KeyState::Refused | KeyState::Spent => Some(until),
        };
        (state != KeyState::Healthy || is_news).then_some(Told {
            state,
            until,
            since: inner.changed_at,
            reason: inner.reason,
            is_news,
        })
    }

    /// A rest ends by itself.
    pub(super) fn state(&self, now: Moment) -> KeyState {
        match self.gate.get() {
            (KeyState::Cooling, until) if until <= now => KeyState::Healthy,
            (state, _) => state,
        }
    }

    /// An answer came from one that rested, or had: the failures count on until an answer has come to its end.
    fn wake(&self, inner: &mut Inner, now: Moment) {
        let failures = inner.failures;
        inner.change(Reason::None, now);
        inner.failures = failures;
        self.gate.set(KeyState::Healthy, Moment(failures.into()));
    }

    fn readmit(&self, inner: &mut Inner, failures: u32, now: Moment) {
        inner.change(Reason::None, now);
        inner.failures = failures;
        inner.out = None;
        inner.ends_at = now;
        self.gate.set(KeyState::Healthy, Moment(failures.into()));
    }

    /// `asked`: what the provider wants to be left alone for.
    fn wait_for_trial(&self, inner: &mut Inner, asked: Duration, now: Moment, chance: f64) {
        inner.out = Some(KeyState::Ejected);
        let wait = FIRST_TRIAL.saturating_mul(inner.trials + 1).min(LONGEST_TRIAL);
        inner.trials = inner.trials.saturating_add(1);
        let wait = wait.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0)).max(asked);
        self.gate.set(KeyState::Ejected, now.after(wait));
    }
}

impl Inner {
    fn is_straggler(&self, attempt: Attempt) -> bool {
        !attempt.is_trial && attempt.began < self.changed_at
    }

    fn change(&mut self, reason: Reason, now: Moment) {
        self.failures = 0;
        self.changed_at = now;
        self.reason = reason;
        self.is_news = true;
    }

    fn eject(&mut self, reason: Reason, asked: Duration, now: Moment) {
        let is_forgotten = now.since(self.ends_at) > FORGOTTEN_AFTER;
        self.times = if is_forgotten { 1 } else { self.times.saturating_add(1) };
        self.trials = 0;
        self.change(reason, now);
        self.ends_at = now.after(EJECTION.saturating_mul(self.times).min(LONGEST_EJECTION).max(asked));
    }
}

#[cfg(test)]
mod tests;
