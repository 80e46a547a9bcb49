//! What a request's usage can be at most. Beyond it a provider's counter or a price was wrong, and would break sums: the
//! proxy takes it for untold, and the control plane counts no event that says so.

use crate::money::Money;

/// Of each kind; far above what a model can use.
pub const MOST_TOKENS: u64 = 10_000_000_000;
/// A billion of the currency's units.
pub const MOST_COST: Money = Money::from_micros(1_000_000_000 * 1_000_000);
