//! The rate limit of one model, for one key or for all keys of a quota group.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tollgate_dialect::classify::Left;

use super::{
    Moment,
    circuit::{Attempt, Told},
    gate::{Gate, KeyState, Standing},
    moment::millis,
    reason::Reason,
};

/// Between these a provider's word counts, whether it is of a rate limit or of an overload.
pub(crate) const SHORTEST_REST: Duration = Duration::from_secs(1);
pub(super) const LONGEST: Duration = Duration::from_mins(5);
/// Without a word of the provider's: this, then twice as long each time, up to [`LONGEST_GUESS`].
const FIRST_GUESS: Duration = Duration::from_secs(5);
const LONGEST_GUESS: Duration = Duration::from_mins(1);
/// Of a day's quota that is used up nothing more is to be learnt for so long.
const DAY_BELIEVED_FOR: Duration = Duration::from_mins(10);
const FULL: u64 = 1000;

#[derive(Debug)]
pub(super) struct Allowance {
    gate: Gate,
    /// What is left, in thousandths of the limit, and behind that until when it is known.
    left: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Rate limits in a row.
    times: u32,
    changed_at: Moment,
    reason: Reason,
    is_news: bool,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { gate: Gate::default(), left: AtomicU64::new(FULL), inner: Mutex::default() }
    }
}

impl Allowance {
    pub(super) fn standing(&self, now: Moment) -> Standing {
        self.gate.standing(now)
    }

    /// `wait`: as the provider asks for it.
    pub(super) fn limited(&self, attempt: Attempt, wait: Option<Duration>, now: Moment) {
        let mut inner = self.inner.lock();
        if attempt.began < inner.changed_at {
            return;
        }
        let guess = FIRST_GUESS.saturating_mul(1 << inner.times.min(8)).min(LONGEST_GUESS);
        let (is_told, wait) = (wait.is_some(), wait.unwrap_or(guess).clamp(SHORTEST_REST, LONGEST));
        inner.times = inner.times.saturating_add(1);
        self.cool(&mut inner, Reason::RateLimited { wait, is_told }, wait, now);
    }

    /// The day's quota is gone for so long.
    pub(super) fn day_spent(&self, attempt: Attempt, wait: Duration, now: Moment) {
        let mut inner = self.inner.lock();
        if attempt.began >= inner.changed_at {
            self.cool(&mut inner, Reason::DayIsSpent, wait, now);
        }
    }

    /// Whether its provider said a while ago that the day's quota is gone: nobody need ask again.
    pub(super) fn is_known_spent(&self, now: Moment) -> bool {
        let Standing::Out { until, .. } = self.gate.standing(now) else { return false };
        // What rests for less has another reason, or is over soon.
        if until.since(now) <= LONGEST {
            return false;
        }
        let inner = self.inner.lock();
        inner.reason == Reason::DayIsSpent && now.since(inner.changed_at) < DAY_BELIEVED_FOR
    }

    /// Another proxy was told to wait until then.
    pub(super) fn seen_limited(&self, until: Moment, now: Moment) {
        let mut inner = self.inner.lock();
        let present = match self.gate.standing(now) {
            Standing::Out { until, .. } => until,
            Standing::Ready | Standing::TrialDue => now,
        };
        if until <= present {
            return;
        }
        if inner.reason == Reason::DayIsSpent && present > now {
            // What this proxy knows by itself says more.
            self.gate.set(KeyState::Cooling, until);
        } else {
            self.cool(&mut inner, Reason::SeenLimited, until.since(now), now);
        }
    }

    /// What a good answer told of what is left.
    pub(super) fn told(&self, attempt: Attempt, left: Left, now: Moment) {
        let Left { per_mille, until_ms } = left;
        let until = now.after(Duration::from_millis(until_ms.unwrap_or(millis(LONGEST))).min(LONGEST));
        self.left.store(until.0.saturating_mul(FULL + 1) + u64::from(per_mille).min(FULL), Relaxed);
        if let (0, Some(wait)) = (per_mille, until_ms) {
            let mut inner = self.inner.lock();
            if attempt.began >= inner.changed_at {
                self.cool(&mut inner, Reason::NothingLeft, Duration::from_millis(wait).min(LONGEST), now);
            }
        }
    }

    /// An answer has come: whatever the limit was, it is over.
    pub(super) fn passed(&self, attempt: Attempt, now: Moment) {
        if self.gate.is_clean() {
            return;
        }
        let mut inner = self.inner.lock();
        if attempt.began < inner.changed_at {
            return;
        }
        let was_out = matches!(self.gate.standing(now), Standing::Out { .. });
        inner.times = 0;
        inner.is_news |= was_out;
        if was_out {
            inner.changed_at = now;
        }
        inner.reason = Reason::None;
        self.gate.set(KeyState::Healthy, Moment(0));
    }

    /// 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "thousandths")]
    pub(super) fn left(&self, now: Moment) -> f32 {
        let word = self.left.load(Relaxed);
        if word / (FULL + 1) <= now.0 { 1.0 } else { (word % (FULL + 1)) as f32 / FULL as f32 }
    }

    pub(super) fn tell(&self, now: Moment) -> Option<Told> {
        let mut inner = self.inner.lock();
        let is_news = std::mem::take(&mut inner.is_news);
        let (since, reason) = (inner.changed_at, inner.reason);
        match self.gate.standing(now) {
            Standing::Out { state, until } => Some(Told { state, until: Some(until), since, reason, is_news }),
            Standing::Ready | Standing::TrialDue if is_news => {
                Some(Told { state: KeyState::Healthy, until: None, since, reason: Reason::None, is_news })
            }
            Standing::Ready | Standing::TrialDue => None,
        }
    }

    fn cool(&self, inner: &mut Inner, reason: Reason, wait: Duration, now: Moment) {
        inner.changed_at = now;
        inner.reason = reason;
        inner.is_news = true;
        self.gate.set(KeyState::Cooling, now.after(wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(at: Moment) -> Attempt {
        Attempt { began: at, is_trial: false }
    }

    fn wait_of(allowance: &Allowance, now: Moment) -> Duration {
        match allowance.standing(now) {
            Standing::Out { state: KeyState::Cooling, until } => until.since(now),
            other => panic!("{other:?}"),
        }
    }

    const NOW: Moment = Moment(1_000_000);

    #[test]
    fn the_providers_word_counts_within_bounds() {
        let seconds = Duration::from_secs;
        for (told, expected) in [(12, seconds(12)), (0, seconds(1)), (3600, seconds(300))] {
            let allowance = Allowance::default();
            allowance.limited(began(NOW), Some(seconds(told)), NOW);
            assert_eq!(wait_of(&allowance, NOW), expected);
            assert_eq!(allowance.standing(NOW.after(expected)), Standing::Ready);
        }
    }

    #[test]
    fn without_a_word_the_wait_grows_until_something_passes() {
        let allowance = Allowance::default();
        let mut now = NOW;
        for expected in [5, 10, 20, 40, 60, 60] {
            allowance.limited(began(now), None, now);
            assert_eq!(wait_of(&allowance, now).as_secs(), expected);
            now = now.after(Duration::from_secs(expected));
        }
        allowance.passed(began(now), now);
        allowance.limited(began(now), None, now);
        assert_eq!(wait_of(&allowance, now).as_secs(), 5);
    }

    #[test]
    fn what_began_before_is_ignored() {
        let allowance = Allowance::default();
        allowance.limited(began(NOW), Some(Duration::from_secs(10)), NOW.after(SHORTEST_REST));
        allowance.passed(began(NOW), NOW.after(SHORTEST_REST));
        allowance.limited(began(NOW), Some(Duration::from_secs(100)), NOW.after(SHORTEST_REST));
        assert_eq!(wait_of(&allowance, NOW.after(SHORTEST_REST)).as_secs(), 10);
    }

    #[test]
    fn nothing_left_is_cooling_until_the_reset() {
        let allowance = Allowance::default();
        allowance.told(began(NOW), Left { per_mille: 400, until_ms: Some(2000) }, NOW);
        assert_eq!(allowance.standing(NOW), Standing::Ready);
        assert!((allowance.left(NOW) - 0.4).abs() < 0.001);
        assert!((allowance.left(NOW.after(Duration::from_secs(2))) - 1.0).abs() < 0.001);
        allowance.told(began(NOW), Left { per_mille: 0, until_ms: Some(2000) }, NOW);
        assert_eq!(wait_of(&allowance, NOW).as_secs(), 2);
        assert_eq!(allowance.tell(NOW).unwrap().reason, Reason::NothingLeft);
        assert_eq!(allowance.tell(NOW.after(Duration::from_secs(2))), None);
    }

    #[test]
    fn a_day_is_not_cut_short() {
        let allowance = Allowance::default();
        allowance.day_spent(began(NOW), Duration::from_hours(20), NOW);
        assert_eq!(wait_of(&allowance, NOW), Duration::from_hours(20));
    }

    #[test]
    fn a_spent_day_is_believed_for_ten_minutes() {
        let allowance = Allowance::default();
        allowance.limited(began(NOW), Some(LONGEST), NOW);
        assert!(!allowance.is_known_spent(NOW));
        allowance.day_spent(began(NOW), Duration::from_hours(20), NOW);
        assert!(allowance.is_known_spent(NOW.after(Duration::from_secs(599))));
        let later = NOW.after(DAY_BELIEVED_FOR);
        assert!(!allowance.is_known_spent(later));
        allowance.day_spent(began(later), Duration::from_hours(19), later);
        assert!(allowance.is_known_spent(later));
        allowance.passed(began(later), later);
        assert!(!allowance.is_known_spent(later));
    }
}
