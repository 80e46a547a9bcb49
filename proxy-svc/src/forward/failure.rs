//! What went wrong with attempts, and what the caller is told when all of them failed.

use std::time::Duration;

use tollgate_dialect::error::ErrorKind;

use crate::{report::AttemptOutcome, respond::Refusal};

/// One failed attempt, by whose fault it was and whether another candidate may do better (all of these may).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    RateLimited {
        retry_after: Option<Duration>,
    },
    Overloaded {
        retry_after: Option<Duration>,
    },
    /// The key is bad; the caller's own is fine.
    CredentialsRefused,
    ServerError,
    ConnectFailed,
    TimedOut,
    ConnectionLost,
}

impl Failure {
    pub(super) fn outcome(self) -> AttemptOutcome {
        match self {
            Self::RateLimited { .. } => AttemptOutcome::RateLimited,
            Self::Overloaded { .. } => AttemptOutcome::Overloaded,
            Self::CredentialsRefused => AttemptOutcome::CredentialsRefused,
            Self::ServerError => AttemptOutcome::ServerError,
            Self::ConnectFailed => AttemptOutcome::ConnectFailed,
            Self::TimedOut => AttemptOutcome::TimedOut,
            Self::ConnectionLost => AttemptOutcome::ConnectionLost,
        }
    }
}

/// The failures of a request.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

impl Failures {
    pub(super) fn add(&mut self, failure: Failure) {
        self.0.push(failure);
    }

    /// The class of the failures decides, and what the caller can act on comes first: a rate limit (when will it be
    /// over), an overload, the keys, a time-out, and then the rest.
    pub(super) fn into_refusal(self) -> Refusal {
        let soonest = |wait: fn(&Failure) -> Option<Option<Duration>>| -> Option<Option<Duration>> {
            let waits: Vec<Option<Duration>> = self.0.iter().filter_map(wait).collect();
            (!waits.is_empty()).then(|| waits.into_iter().flatten().min())
        };
        let rate_limited = soonest(|failure| match failure {
            Failure::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        });
        if let Some(wait) = rate_limited {
            let refusal = Refusal::new(ErrorKind::RateLimited, "The upstream's rate limit is reached on every key.");
            return refusal.after(wait.unwrap_or(Duration::from_secs(1)));
        }
        let overloaded = soonest(|failure| match failure {
            Failure::Overloaded { retry_after } => Some(*retry_after),
            _ => None,
        });
        if let Some(wait) = overloaded {
            let refusal = Refusal::new(ErrorKind::Overloaded, "The upstream is overloaded.");
            return refusal.after(wait.unwrap_or(Duration::from_secs(1)));
        }
        let any = |failure| self.0.contains(&failure);
        if !self.0.is_empty() && self.0.iter().all(|failure| *failure == Failure::CredentialsRefused) {
            let message = "The upstream refused every key that could serve this request.";
            return Refusal::new(ErrorKind::UpstreamCredentialsExhausted, message);
        }
        if any(Failure::TimedOut) || self.0.is_empty() {
            return Refusal::new(ErrorKind::UpstreamTimeout, "The upstream did not answer in time.");
        }
        Refusal::new(ErrorKind::UpstreamUnavailable, "No upstream could answer this request.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(failures: &[Failure]) -> ErrorKind {
        Failures(failures.to_vec()).into_refusal().kind
    }

    #[test]
    fn the_class_of_the_failures_decides() {
        let limited = Failure::RateLimited { retry_after: None };
        let overloaded = Failure::Overloaded { retry_after: None };
        assert_eq!(kind(&[Failure::ServerError, limited]), ErrorKind::RateLimited);
        assert_eq!(kind(&[Failure::ServerError, overloaded]), ErrorKind::Overloaded);
        assert_eq!(kind(&[Failure::CredentialsRefused; 2]), ErrorKind::UpstreamCredentialsExhausted);
        assert_eq!(kind(&[Failure::CredentialsRefused, Failure::ServerError]), ErrorKind::UpstreamUnavailable);
        assert_eq!(kind(&[Failure::ConnectFailed, Failure::TimedOut]), ErrorKind::UpstreamTimeout);
        assert_eq!(kind(&[Failure::ConnectionLost]), ErrorKind::UpstreamUnavailable);
    }
}
