//! The most that a request can cost. Beyond it a price is wrong, or a provider's counter: the cost is taken for
//! unknown, and the log says so once for each model, because every further request of it would say the same.

use std::collections::HashSet;

use parking_lot::Mutex;
use tollgate_shared::{bounds::MOST_COST, ids::ProviderId, money::Cost};

/// Callers may name models, so not all are remembered; of further ones nothing is said.
const MOST_MODELS: usize = 256;

/// Looks at every cost; one for the process.
#[derive(Debug, Default)]
pub(crate) struct CostBound {
    /// The models that were spoken of.
    said: Mutex<HashSet<(ProviderId, Box<str>)>>,
}

impl CostBound {
    /// The cost, unless it is beyond what can be.
    pub(crate) fn within(&self, provider: ProviderId, model: &str, cost: Cost) -> Option<Cost> {
        if cost.amount <= MOST_COST {
            return Some(cost);
        }
        if self.is_news(provider, model) {
            let Cost { amount, currency } = cost;
            tracing::warn!(
                provider.id = %provider, model.name = model, cost.amount = %amount, cost.currency = %currency,
                "a cost is beyond what can be, and not counted; is the model's price right?"
            );
        }
        None
    }

    fn is_news(&self, provider: ProviderId, model: &str) -> bool {
        let mut said = self.said.lock();
        said.len() < MOST_MODELS && said.insert((provider, model.into()))
    }
}

#[cfg(test)]
mod tests {
    use tollgate_shared::money::{Currency, Money};

    use super::*;

    #[test]
    fn a_cost_beyond_the_bound_is_none() {
        let bound = CostBound::default();
        let within = |micros| {
            let cost = Cost { amount: Money::from_micros(micros), currency: Currency::USD };
            bound.within(ProviderId::generate(), "m", cost).is_some()
        };
        assert!(within(0) && within(MOST_COST.micros()));
        assert!(!within(MOST_COST.micros() + 1) && !within(i64::MAX));
    }

    #[test]
    fn each_model_is_spoken_of_once_and_not_endlessly_many() {
        let (bound, here, there) = (CostBound::default(), ProviderId::generate(), ProviderId::generate());
        assert!(bound.is_news(here, "m") && !bound.is_news(here, "m"));
        assert!(bound.is_news(there, "m") && bound.is_news(here, "n"));
        let further = (0..1000).filter(|number| bound.is_news(here, &number.to_string())).count();
        assert_eq!(further, MOST_MODELS - 3);
        assert!(!bound.is_news(there, "m"));
    }
}
