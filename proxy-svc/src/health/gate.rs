//! What a request reads of a state: one atomic word, a kind and until when it holds.
//!
//! Whoever changes a state holds that state's lock and stores the word last; the only change without the lock is the
//! permit for a trial, which is one compare-and-exchange.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use super::Moment;

/// A state that something is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    Healthy,
    /// Rate limited, or nothing left of an allowance.
    Cooling,
    /// It failed several times in a row.
    Ejected,
    /// One request finds out whether it works again.
    HalfOpen,
    /// The provider refuses the credentials.
    Refused,
    /// The account has no credit left.
    Spent,
}

impl KeyState {
    pub const ALL: [Self; 6] =
        [Self::Healthy, Self::Cooling, Self::Ejected, Self::HalfOpen, Self::Refused, Self::Spent];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Cooling => "cooling",
            Self::Ejected => "ejected",
            Self::HalfOpen => "half_open",
            Self::Refused => "refused",
            Self::Spent => "spent",
        }
    }
}

/// What a state means for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Ready,
    /// Out, but one request may try it now: see [`super::Ticket`].
    TrialDue,
    Out {
        state: KeyState,
        until: Moment,
    },
}

impl Standing {
    /// Of two conditions that must both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Out { until: mine, .. }, Self::Out { until: theirs, .. }) => {
                if mine >= theirs {
                    self
                } else {
                    other
                }
            }
            (Self::Out { .. }, _) | (Self::TrialDue, Self::Ready | Self::TrialDue) => self,
            (_, other) => other,
        }
    }
}

/// The word. What is below a kind's three bits is a time, or for [`KeyState::Healthy`] a mark that is not zero while
/// there is something to forget at the next success.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU64);

const KIND_BITS: u32 = 3;

impl Gate {
    pub(super) fn set(&self, state: KeyState, until: Moment) {
        self.0.store(word(state, until), Release);
    }

    /// Neither out, nor anything to forget: the usual case, in which a success changes nothing.
    pub(super) fn is_clean(&self) -> bool {
        self.0.load(Acquire) == 0
    }

    pub(super) fn get(&self) -> (KeyState, Moment) {
        let word = self.0.load(Acquire);
        (kind(word), Moment(word >> KIND_BITS))
    }

    pub(super) fn standing(&self, now: Moment) -> Standing {
        let word = self.0.load(Acquire);
        if word == 0 {
            return Standing::Ready;
        }
        let (state, until) = (kind(word), Moment(word >> KIND_BITS));
        match state {
            KeyState::Healthy => Standing::Ready,
            KeyState::Cooling if until <= now => Standing::Ready,
            KeyState::Ejected | KeyState::Refused | KeyState::Spent if until <= now => Standing::TrialDue,
            KeyState::HalfOpen => Standing::Out { state, until: now },
            KeyState::Cooling | KeyState::Ejected | KeyState::Refused | KeyState::Spent => {
                Standing::Out { state, until }
            }
        }
    }

    /// Takes the one permit for a trial, if it is due and nobody else has it. Returns the state that it is a trial of.
    pub(super) fn claim(&self, now: Moment) -> Option<KeyState> {
        let word = self.0.load(Acquire);
        let state = kind(word);
        let is_due = matches!(state, KeyState::Ejected | KeyState::Refused | KeyState::Spent)
            && Moment(word >> KIND_BITS) <= now;
        let taken = self::word(KeyState::HalfOpen, now);
        (is_due && self.0.compare_exchange(word, taken, Release, Acquire).is_ok()).then_some(state)
    }
}

fn word(state: KeyState, until: Moment) -> u64 {
    let kind = match state {
        KeyState::Healthy => 0,
        KeyState::Cooling => 1,
        KeyState::Ejected => 2,
        KeyState::HalfOpen => 3,
        KeyState::Refused => 4,
        KeyState::Spent => 5,
    };
    until.0.min(u64::MAX >> KIND_BITS) << KIND_BITS | kind
}

const fn kind(word: u64) -> KeyState {
    match word & 7 {
        1 => KeyState::Cooling,
        2 => KeyState::Ejected,
        3 => KeyState::HalfOpen,
        4 => KeyState::Refused,
        5 => KeyState::Spent,
        _ => KeyState::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_was_stored() {
        let gate = Gate::default();
        assert!(gate.is_clean());
        for state in KeyState::ALL {
            gate.set(state, Moment(77));
            assert_eq!(gate.get(), (state, Moment(77)));
        }
    }

    #[test]
    fn cooling_ends_by_itself_and_an_ejection_by_a_trial() {
        let gate = Gate::default();
        gate.set(KeyState::Cooling, Moment(10));
        assert_eq!(gate.standing(Moment(9)), Standing::Out { state: KeyState::Cooling, until: Moment(10) });
        assert_eq!(gate.standing(Moment(10)), Standing::Ready);
        gate.set(KeyState::Ejected, Moment(10));
        assert!(matches!(gate.standing(Moment(9)), Standing::Out { .. }));
        assert_eq!(gate.claim(Moment(9)), None);
        assert_eq!(gate.standing(Moment(10)), Standing::TrialDue);
        assert_eq!(gate.claim(Moment(10)), Some(KeyState::Ejected));
        assert_eq!(gate.claim(Moment(10)), None);
        assert!(matches!(gate.standing(Moment(11)), Standing::Out { state: KeyState::HalfOpen, .. }));
    }

    #[test]
    fn of_two_conditions_the_longer_one_counts() {
        let out = |until| Standing::Out { state: KeyState::Cooling, until: Moment(until) };
        assert_eq!(out(5).and(out(9)), out(9));
        assert_eq!(out(9).and(out(5)), out(9));
        assert_eq!(out(9).and(Standing::Ready), out(9));
        assert_eq!(Standing::TrialDue.and(out(1)), out(1));
        assert_eq!(Standing::Ready.and(Standing::TrialDue), Standing::TrialDue);
        assert_eq!(Standing::TrialDue.and(Standing::Ready), Standing::TrialDue);
        assert_eq!(Standing::Ready.and(Standing::Ready), Standing::Ready);
    }
}
