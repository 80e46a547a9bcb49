//! Requests at the same time. Each proxy lets its share through, the limit divided by the number of live proxies: a
//! place that is held elsewhere could only be known to be free again by asking there.

use std::time::Duration;

use super::Places;
use crate::limits::{Counters, Dimension, Exhausted, Limited, Limiter};

/// There is no telling when a place becomes free.
const RETRY: Duration = Duration::from_secs(1);

/// A place in each scope, or none and which scope has no more.
pub(super) fn enter<'a>(limiter: &Limiter, scopes: impl Iterator<Item = Limited<'a>>) -> Result<Places, Exhausted> {
    let mut places = Places::new();
    for Limited { scope, limits, counters } in scopes {
        let Some(limit) = limits.concurrency else { continue };
        let most = (limit / limiter.divisor(scope)).max(1);
        let exhausted = Exhausted { scope, dimension: Dimension::Concurrency, wait: RETRY };
        let place = Counters::enter(counters, most).ok_or(exhausted)?;
        places.push(place);
    }
    Ok(places)
}
