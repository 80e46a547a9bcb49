//! The scheduler of `docs/adding-a-scheduler.md`, as it stands there: compiled and tried in the tests only.

use super::{Contender, Scheduler};

/// Sends to whoever has the fewest requests in work for its weight.
pub(super) struct LeastBusy;

impl Scheduler for LeastBusy {
    fn pick(&self, contenders: &[Contender<'_>], turn: u64) -> usize {
        // Among equals the turn decides, so that an idle gateway does not always begin with the same key.
        let first = usize::try_from(turn % contenders.len() as u64).unwrap_or(0);
        let order = (first..contenders.len()).chain(0..first);
        let load = |index: &usize| {
            let Contender { weight, reading, .. } = &contenders[*index];
            // Cross-multiplied below, so no division loses anything.
            (u64::from(reading.in_flight), *weight)
        };
        order
            .min_by(|one, other| {
                let ((mine, my_weight), (theirs, their_weight)) = (load(one), load(other));
                (mine * their_weight).cmp(&(theirs * my_weight))
            })
            .unwrap_or(first)
    }

    fn reads_health(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{health::Reading, route::scheduler::Place};

    #[test]
    fn the_fewest_in_work_for_the_weight_serves_next() {
        let place = Place::default();
        let contender = |weight, in_flight| {
            let reading = Reading { in_flight, ..Reading::default() };
            Contender { weight, place: &place, reading }
        };
        assert_eq!(LeastBusy.pick(&[contender(1, 2), contender(1, 1)], 0), 1);
        assert_eq!(LeastBusy.pick(&[contender(4, 2), contender(1, 1)], 0), 0);
        let equals = [contender(1, 1), contender(1, 1)];
        assert_eq!([LeastBusy.pick(&equals, 0), LeastBusy.pick(&equals, 1)], [0, 1]);
    }
}
