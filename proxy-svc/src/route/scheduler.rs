//! Which of several equals serves next: one trait, one type a strategy, one registry.
//!
//! A scheduler is a pure function of a turn number, so that choosing takes no lock: the turn is one atomic counter of
//! the tier. To add one, see `docs/adding-a-scheduler.md`.

use crate::snapshot::Strategy;

/// Chooses among the members of a tier.
pub trait Scheduler: Send + Sync {
    /// The member that serves turn number `turn`.
    ///
    /// `cumulative`: running sums of the members' weights, one a member, never empty; its last value is greater than 0.
    fn pick(&self, cumulative: &[u64], turn: u64) -> usize;
}

/// The scheduler of a strategy.
pub fn scheduler(strategy: Strategy) -> &'static dyn Scheduler {
    match strategy {
        Strategy::RoundRobin => &RoundRobin,
        // While nothing is known of the keys' health they are equally healthy, and their weights decide.
        Strategy::Weighted | Strategy::HealthBest => &Weighted,
    }
}

/// One after the other, whatever their weights; a weight of 0 still means never.
struct RoundRobin;

impl Scheduler for RoundRobin {
    fn pick(&self, cumulative: &[u64], turn: u64) -> usize {
        let members = cumulative.len();
        let start = usize::try_from(turn % members as u64).unwrap_or(0);
        (0..members)
            .map(|step| (start + step) % members)
            .find(|&member| weight(cumulative, member) > 0)
            .unwrap_or(start)
    }
}

/// In proportion to the weights, and smoothly: the turns walk over the weights in steps of the golden ratio, which
/// spreads any number of consecutive picks evenly (a Kronecker sequence), with no state but the turn.
struct Weighted;

/// The golden ratio's fractional part as a fixed-point number of 64 bits.
const GOLDEN_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Scheduler for Weighted {
    fn pick(&self, cumulative: &[u64], turn: u64) -> usize {
        let total = cumulative.last().copied().unwrap_or(1).max(1);
        let point = (u128::from(turn.wrapping_mul(GOLDEN_STEP)) * u128::from(total)) >> 64;
        let point = u64::try_from(point).unwrap_or(0);
        cumulative.partition_point(|&sum| sum <= point).min(cumulative.len() - 1)
    }
}

fn weight(cumulative: &[u64], member: usize) -> u64 {
    let before = if member == 0 { 0 } else { cumulative[member - 1] };
    cumulative[member] - before
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cumulative(weights: &[u64]) -> Vec<u64> {
        weights
            .iter()
            .scan(0, |sum, weight| {
                Some({
                    *sum += weight;
                    *sum
                })
            })
            .collect()
    }

    fn counts(scheduler: &dyn Scheduler, weights: &[u64], turns: u64) -> Vec<u64> {
        let mut counts = vec![0; weights.len()];
        for turn in 0..turns {
            counts[scheduler.pick(&cumulative(weights), turn)] += 1;
        }
        counts
    }

    #[test]
    fn round_robin_takes_turns_and_skips_weight_zero() {
        assert_eq!(counts(&RoundRobin, &[1, 5, 2], 300), [100, 100, 100]);
        assert_eq!(counts(&RoundRobin, &[1, 0], 10), [10, 0]);
    }

    proptest! {
        #[test]
        fn weighted_keeps_its_proportions(weights in prop::collection::vec(0u64..100, 1..12), start in 0u64..1_000_000) {
            prop_assume!(weights.iter().sum::<u64>() > 0);
            let sums = cumulative(&weights);
            let mut counts = vec![0u64; weights.len()];
            for turn in start..start + 10_000 {
                counts[Weighted.pick(&sums, turn)] += 1;
            }
            let total: u64 = weights.iter().sum();
            for (member, weight) in weights.iter().enumerate() {
                let expected = 10_000 * weight / total;
                prop_assert!(counts[member].abs_diff(expected) <= 20, "{weights:?} gave {counts:?}");
            }
        }
    }
}
