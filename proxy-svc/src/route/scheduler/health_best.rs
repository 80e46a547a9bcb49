//! The better of two that are drawn by weight.
//!
//! To send everything to the best one would overrun it before its figures say so; the better of two random ones comes
//! close and does not ("the power of two choices"). Both draws are by weight, and may hit the same member: so the
//! weights hold, and a member that is always worse still serves the square of its share.

use super::{Contender, Scheduler, weighted};
use crate::health::Reading;

pub(super) struct HealthBest;

/// A cost up to this much higher counts as equal: then the first draw decides, which is the weights' alone.
const CLOSE_ENOUGH: f32 = 1.15;
/// The least that is left of a rate limit counts like this, so that no cost is infinite.
const LEAST_LEFT: f32 = 0.05;
const LEAST_SUCCESS: f32 = 0.05;

impl Scheduler for HealthBest {
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize {
        let first = weighted::Weighted.pick(contenders, turn);
        let second = weighted::at(contenders, scattered(turn));
        let (mine, theirs) = costs(&contenders[first].reading, &contenders[second].reading);
        if mine <= theirs * CLOSE_ENOUGH { first } else { second }
    }

    fn reads_health(&self) -> bool {
        true
    }
}

/// What a request costs at each. One that was not measured yet is taken to be as fast as the other.
fn costs(first: &Reading, second: &Reading) -> (f32, f32) {
    let time = |reading: &Reading| reading.first_token.map(|took| took.as_secs_f32());
    let (mine, theirs) = match (time(first), time(second)) {
        (None, None) => (1.0, 1.0),
        (Some(mine), theirs) => (mine, theirs.unwrap_or(mine)),
        (None, Some(theirs)) => (theirs, theirs),
    };
    (cost(mine, first), cost(theirs, second))
}

/// The expected wait, made longer by what goes wrong: half of the successes cost four times as much. What is left of the
/// rate limit counts once it is less than half.
#[expect(clippy::cast_precision_loss, reason = "requests in flight are few")]
fn cost(first_token: f32, reading: &Reading) -> f32 {
    let success = reading.success.max(LEAST_SUCCESS);
    let left = (reading.left * 2.0).clamp(LEAST_LEFT, 1.0);
    first_token * (reading.in_flight as f32 + 1.0) / (success * success * left)
}

/// A number that has nothing to do with its neighbours (the finaliser of `SplitMix64`).
fn scattered(turn: u64) -> u64 {
    let mixed = (turn ^ (turn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::route::scheduler::Place;

    fn reading(millis: u64, success: f32, in_flight: u32, left: f32) -> Reading {
        Reading { first_token: (millis > 0).then(|| Duration::from_millis(millis)), success, in_flight, left }
    }

    /// How often the second of two equally weighted members serves, of 10 000 turns.
    fn second_serves(first: Reading, second: Reading) -> usize {
        let place = Place::default();
        let contender = |reading| Contender { weight: 1, place: &place, reading };
        let both = [contender(first), contender(second)];
        (0..10_000).filter(|turn| HealthBest.pick(&both, *turn) == 1).count()
    }

    #[test]
    fn the_better_one_serves_three_quarters() {
        let well = reading(200, 1.0, 0, 1.0);
        for worse in
            [reading(400, 1.0, 0, 1.0), reading(200, 0.7, 0, 1.0), reading(200, 1.0, 3, 1.0), reading(200, 1.0, 0, 0.1)]
        {
            let share = second_serves(worse, well);
            assert!((7300..7700).contains(&share), "{worse:?}: {share}");
            let share = second_serves(well, worse);
            assert!((2300..2700).contains(&share), "{worse:?}: {share}");
        }
    }

    #[test]
    fn equals_and_unknowns_go_by_weight() {
        let well = reading(200, 1.0, 0, 1.0);
        for like in [well, reading(220, 1.0, 0, 1.0), reading(0, 1.0, 0, 1.0), reading(200, 1.0, 0, 0.6)] {
            let share = second_serves(well, like);
            assert!((4900..5100).contains(&share), "{like:?}: {share}");
        }
    }
}
