//! One after the other, whatever their weights.

use super::{Contender, Scheduler};

/// Serves whoever waited longest. So the order is kept while members come and go, and one that was out for long gets
/// one turn when it is back, not all that it missed.
pub(super) struct RoundRobin;

impl Scheduler for RoundRobin {
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize {
        loop {
            let (mut first, mut longest, mut latest) = (0, u64::MAX, 0);
            for (index, contender) in contenders.iter().enumerate() {
                let last_served = contender.place.last_served();
                latest = latest.max(last_served);
                if last_served < longest {
                    (first, longest) = (index, last_served);
                }
            }
            // Behind all others, also when those that came later were faster: else it would be next again. This fails only
            // when another request took the same member.
            if contenders[first].place.serve(longest, turn.max(latest + 1)) {
                return first;
            }
        }
    }
}
