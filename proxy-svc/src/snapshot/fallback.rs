//! Under which conditions another target of a route may take over.
//!
//! Decides nothing about other keys of the same target: they are tried either way.

/// How a target failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FallbackCondition {
    RateLimited,
    Overloaded,
    ServerError,
    Timeout,
    /// The provider refused the target's keys.
    CredentialsRefused,
    /// The request does not fit the model's context.
    ContextWindow,
    /// The provider refused the request for its content policy.
    ContentPolicy,
}

/// A set of conditions; the empty one means never. The default has those that say nothing about the request itself:
/// sending one elsewhere that is too long or against a policy is for the service's owner to want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FallbackOn(u8);

impl FallbackOn {
    pub const fn contains(self, condition: FallbackCondition) -> bool {
        self.0 & bit(condition) != 0
    }
}

impl Default for FallbackOn {
    fn default() -> Self {
        use FallbackCondition::{CredentialsRefused, Overloaded, RateLimited, ServerError, Timeout};
        [RateLimited, Overloaded, ServerError, Timeout, CredentialsRefused].into_iter().collect()
    }
}

impl FromIterator<FallbackCondition> for FallbackOn {
    fn from_iter<I: IntoIterator<Item = FallbackCondition>>(conditions: I) -> Self {
        Self(conditions.into_iter().fold(0, |bits, condition| bits | bit(condition)))
    }
}

const fn bit(condition: FallbackCondition) -> u8 {
    1 << condition as u8
}

#[cfg(test)]
mod tests {
    use super::{FallbackCondition::*, *};

    const ALL: [FallbackCondition; 7] =
        [RateLimited, Overloaded, ServerError, Timeout, CredentialsRefused, ContextWindow, ContentPolicy];

    fn contained(set: FallbackOn) -> Vec<FallbackCondition> {
        ALL.into_iter().filter(|condition| set.contains(*condition)).collect()
    }

    #[test]
    fn default_has_what_is_not_the_requests_fault() {
        let expected = [RateLimited, Overloaded, ServerError, Timeout, CredentialsRefused];
        assert_eq!(contained(FallbackOn::default()), expected);
    }

    #[test]
    fn a_set_contains_what_was_put_in_and_nothing_else() {
        assert_eq!(contained(FallbackOn::from_iter([])), []);
        assert_eq!(contained(ALL.into_iter().collect()), ALL);
        for condition in ALL {
            assert_eq!(contained([condition, condition].into_iter().collect()), [condition]);
        }
    }
}
