//! One after the other, whatever their weights.

use super::{Contender, Scheduler};

/// Serves whoever waited longest. So the order is kept while members come and go, and one that was out for long gets
/// one turn when it is back, not all that it missed.
pub(super) struct RoundRobin;

/// Beyond this many requests at once that all want the same member, one more of them at that member does not matter.
const TRIES: usize = 8;

impl Scheduler for RoundRobin {
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize {
        let mut first = 0;
        for _ in 0..TRIES {
            let mut longest = u64::MAX;
            for (index, contender) in contenders.iter().enumerate() {
                let last_served = contender.place.last_served();
                if last_served < longest {
                    (first, longest) = (index, last_served);
                }
            }
            if contenders[first].place.serve(longest, turn) {
                break;
            }
        }
        first
    }
}
