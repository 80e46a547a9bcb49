//! What can still be had of a budget, by the last answer of the control plane, and for how long that answer is good.

use std::{
    ops::RangeInclusive,
    sync::atomic::{
        AtomicI64, AtomicU8,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::Duration,
};

use tollgate_shared::clock::UnixMicros;

use super::Answer;

/// For so long a request is not asked for that needs as much as one that was refused, if nothing can come back.
const SPENT_FOR: UnixMicros = 1_000_000;
/// And for so long, where others may give something back: twice as long each time, from the time in which a recall takes effect.
const SHORT_FOR: RangeInclusive<UnixMicros> = 20_000..=100_000;
/// Nor, where one request runs at a time, whether another proxy still has the turn.
const BUSY_FOR: UnixMicros = 20_000;

#[derive(Debug, Default)]
pub(super) struct Outlook {
    answer: AtomicU8,
    answered_at: AtomicI64,
    /// What all requests of this start of the proxy together may cost, if those of others that are under way cost nothing.
    reach: AtomicI64,
    /// What those that are over did cost.
    spent: AtomicI64,
    /// The smallest need that was refused, beyond what was in hand.
    short_of: AtomicI64,
    short_at: AtomicI64,
    /// For how long it is not asked for again.
    short_for: AtomicI64,
}

impl Outlook {
    /// An answer to an ask whose smallest need was `least`.
    pub(super) fn record(&self, answer: Answer, reach: i64, least: i64, now: UnixMicros) {
        self.reach.store(reach, Relaxed);
        if answer == Answer::Spent {
            let again = is_within(SPENT_FOR, self.short_at.load(Relaxed), now);
            let longer = (2 * self.short_for.load(Relaxed)).clamp(*SHORT_FOR.start(), *SHORT_FOR.end());
            self.short_for.store(if again { longer } else { *SHORT_FOR.start() }, Relaxed);
            self.short_of.store(least, Relaxed);
            self.short_at.store(now, Relaxed);
        } else if least >= self.short_of.load(Relaxed) {
            self.short_at.store(0, Relaxed);
        }
        self.answered_at.store(now, Relaxed);
        self.answer.store(answer as u8, Release);
    }

    /// The budget is another one: nothing is known of it.
    pub(super) fn forget(&self) {
        self.answer.store(Answer::None as u8, Release);
        self.short_at.store(0, Relaxed);
    }

    /// What requests cost of which the control plane knows already.
    pub(super) fn begin_with(&self, spent: i64) {
        self.spent.store(spent, Relaxed);
    }

    pub(super) fn spend(&self, cost: i64) {
        self.spent.fetch_add(cost, AcqRel);
    }

    /// Somebody needs more than is left to lend, and what is in hand here may be the part that is missing.
    pub(super) fn run_short(&self) {
        // Every other answer says more, and may be newer.
        let granted = Answer::Granted as u8;
        let _ = self.answer.compare_exchange(granted, Answer::Spent as u8, AcqRel, Relaxed);
    }

    pub(super) fn answer(&self) -> Answer {
        match self.answer.load(Acquire) {
            1 => Answer::Granted,
            2 => Answer::Spent,
            3 => Answer::Busy,
            _ => Answer::None,
        }
    }

    /// Whether the control plane has said anything since.
    pub(super) fn was_answered_since(&self, then: UnixMicros) -> bool {
        self.answered_at.load(Relaxed) >= then
    }

    /// Whether it was said a moment ago that nothing is left to lend ahead of need.
    pub(super) fn is_dry(&self, now: UnixMicros) -> bool {
        self.answer() == Answer::Spent && is_within(SPENT_FOR, self.answered_at.load(Relaxed), now)
    }

    /// Whether so large a need was refused a moment ago.
    pub(super) fn was_short(&self, now: UnixMicros, need: i64) -> bool {
        need >= self.short_of.load(Relaxed) && is_within(SPENT_FOR, self.short_at.load(Relaxed), now)
    }

    /// From which need on it is not worth asking.
    pub(super) fn in_vain_from(&self, now: UnixMicros) -> i64 {
        let is_new = is_within(self.short_for.load(Relaxed), self.short_at.load(Relaxed), now);
        if is_new { self.short_of.load(Relaxed) } else { i64::MAX }
    }

    /// Whether so much could be had if requests under way, here and at other proxies, cost nothing.
    pub(super) fn may_have(&self, amount: i64) -> bool {
        self.reach.load(Relaxed).saturating_sub(self.spent.load(Acquire)) >= amount
    }

    /// For how long another answer would say the same to such a need.
    pub(super) fn lasts_for(&self, now: UnixMicros, need: i64) -> Duration {
        let until = if need >= self.in_vain_from(now) {
            self.short_at.load(Relaxed) + self.short_for.load(Relaxed)
        } else if self.answer() == Answer::Busy && is_within(BUSY_FOR, self.answered_at.load(Relaxed), now) {
            self.answered_at.load(Relaxed) + BUSY_FOR
        } else {
            now
        };
        Duration::from_micros(u64::try_from(until - now).unwrap_or_default())
    }
}

/// A clock that was put back makes nothing last longer.
fn is_within(time: UnixMicros, then: UnixMicros, now: UnixMicros) -> bool {
    (0..time).contains(&now.saturating_sub(then))
}
