//! In proportion to the weights, and smoothly.

use super::{Contender, Scheduler};

/// The turns walk over the weights in steps of the golden ratio, which spreads any number of consecutive picks evenly (a
/// Kronecker sequence) over whoever is there, with no state but the turn.
pub(super) struct Weighted;

/// The golden ratio's fractional part as a fixed-point number of 64 bits.
const GOLDEN_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Scheduler for Weighted {
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize {
        at(contenders, turn.wrapping_mul(GOLDEN_STEP))
    }
}

/// Who is at a point of the weights laid end to end; the point as a fraction of 2⁶⁴.
pub(super) fn at(contenders: &[Contender<'_>], point: u64) -> usize {
    let total: u64 = contenders.iter().map(|contender| contender.weight).sum();
    let point = u64::try_from((u128::from(point) * u128::from(total)) >> 64).unwrap_or(0);
    let mut sum = 0;
    for (index, contender) in contenders.iter().enumerate() {
        sum += contender.weight;
        if point < sum {
            return index;
        }
    }
    contenders.len() - 1
}
