//! How requests fare with budgets, by what the budget is of.

use super::Counter;
use crate::budget::Scope;

/// Written by `budget`.
#[derive(Debug, Default)]
pub struct BudgetMetrics {
    /// Refused because a hard budget was spent.
    pub(crate) refused: ByScope,
    /// Refused because nothing was held and the control plane did not say.
    pub(crate) unavailable: ByScope,
    /// Waited for the control plane to lend more.
    pub(crate) waits: ByScope,
    /// Went on though a soft budget had nothing left.
    pub(crate) overdrawn: ByScope,
}

/// A counter for each scope.
#[derive(Debug, Default)]
pub(crate) struct ByScope([Counter; Scope::ALL.len()]);

impl ByScope {
    pub(crate) fn of(&self, scope: Scope) -> &Counter {
        &self.0[scope as usize]
    }
}
