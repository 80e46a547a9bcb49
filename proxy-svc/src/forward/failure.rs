//! What went wrong with attempts, and what the caller is told when all of them failed.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use tollgate_dialect::{
    classify::{Class, Fault, Quota},
    error::ErrorKind,
    translate::Rejected,
};

use crate::{
    health::{Cause, SHORTEST_REST, Verdict},
    meter::Observation,
    report::AttemptOutcome,
    respond::Refusal,
    route::Successor,
    snapshot::{FallbackCondition, FallbackOn},
};

/// One failed attempt, by whose fault it was and whether another candidate may do better (all of these may).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    RateLimited {
        retry_after: Option<Duration>,
        quota: Quota,
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
    /// A 200 that is no answer: empty, or not of the provider's protocol.
    Malformed,
    /// The request's own fault, as this target's model sees it; the route says that another may see it in another way.
    ContextWindow,
    ContentPolicy,
}

impl Failure {
    /// Of an error's class; `None` for what is no failure of the upstream's.
    pub(super) fn of(class: Class) -> Option<Self> {
        let wait = |millis: Option<u64>| millis.map(Duration::from_millis);
        match class {
            Class::Ok | Class::ClientError => None,
            Class::RateLimited { retry_after_ms, quota } => {
                Some(Self::RateLimited { retry_after: wait(retry_after_ms), quota })
            }
            Class::Overloaded { retry_after_ms } => Some(Self::Overloaded { retry_after: wait(retry_after_ms) }),
            Class::ServerError { .. } => Some(Self::ServerError),
            Class::TimedOut => Some(Self::TimedOut),
            Class::CredentialsRefused => Some(Self::CredentialsRefused),
        }
    }

    /// Of a request's own fault, where the route lets another target try.
    pub(super) fn of_fault(fault: Fault, fallback_on: FallbackOn) -> Option<Self> {
        match fault {
            Fault::ContextWindow if fallback_on.contains(FallbackCondition::ContextWindow) => Some(Self::ContextWindow),
            Fault::ContentPolicy if fallback_on.contains(FallbackCondition::ContentPolicy) => Some(Self::ContentPolicy),
            Fault::ContextWindow | Fault::ContentPolicy | Fault::Other => None,
        }
    }

    /// Who may take over, as the route says.
    pub(super) fn successor(self, fallback_on: FallbackOn) -> Successor {
        let condition = match self {
            Self::RateLimited { .. } => FallbackCondition::RateLimited,
            Self::Overloaded { .. } => FallbackCondition::Overloaded,
            Self::CredentialsRefused => FallbackCondition::CredentialsRefused,
            Self::ServerError | Self::ConnectFailed | Self::ConnectionLost | Self::Malformed => {
                FallbackCondition::ServerError
            }
            Self::TimedOut => FallbackCondition::Timeout,
            Self::ContextWindow | Self::ContentPolicy => return Successor::OtherTarget,
        };
        if fallback_on.contains(condition) { Successor::Anyone } else { Successor::SameTarget }
    }

    /// Nobody but the operator can mend it, at the provider.
    fn is_the_keys(self) -> bool {
        matches!(self, Self::CredentialsRefused | Self::RateLimited { quota: Quota::Spent, .. })
    }

    /// What it says of the key. `status`: the upstream's, when one came; `in_time`: the key had all the time that it may
    /// take, so that silence is its fault and not the caller's hurry.
    pub(super) fn verdict(self, status: Option<u16>, in_time: bool) -> Verdict {
        match self {
            Self::RateLimited { retry_after, quota } => Verdict::RateLimited { wait: retry_after, quota },
            Self::CredentialsRefused => Verdict::Refused(status.unwrap_or(200)),
            Self::Overloaded { retry_after } => Verdict::Overloaded(retry_after),
            Self::ServerError | Self::Malformed => Verdict::Failed(Cause::Server),
            Self::TimedOut | Self::ConnectFailed if !in_time => Verdict::Neutral,
            Self::TimedOut => Verdict::Failed(Cause::Timeout),
            Self::ConnectFailed => Verdict::Failed(Cause::Connect),
            Self::ConnectionLost => Verdict::Failed(Cause::Lost),
            Self::ContextWindow | Self::ContentPolicy => Verdict::Neutral,
        }
    }

    /// In words, for the record of the attempt.
    pub(super) fn detail(self, status: Option<u16>) -> Cow<'static, str> {
        let after = |wait: Option<Duration>| match wait {
            Some(wait) => format!(", retry after {} s", wait.as_millis().div_ceil(1000)),
            None => String::new(),
        };
        let status = status.filter(|status| *status >= 400);
        match self {
            Self::RateLimited { retry_after, quota: Quota::Window } => {
                format!("rate limited{}", after(retry_after)).into()
            }
            Self::RateLimited { quota: Quota::Day, .. } => "the day's quota is used up".into(),
            Self::RateLimited { quota: Quota::Spent, .. } => "the account has no credit left".into(),
            Self::Overloaded { retry_after } => format!("overloaded{}", after(retry_after)).into(),
            Self::CredentialsRefused => match status {
                Some(status) => format!("the provider refused the key with {status}").into(),
                None => "the provider refused the key".into(),
            },
            Self::ServerError => match status {
                Some(status) => format!("the provider failed with {status}").into(),
                None => "the provider failed".into(),
            },
            Self::ConnectFailed => "no connection".into(),
            Self::TimedOut => match status {
                Some(status) => format!("the provider gave up waiting with {status}").into(),
                None => "no answer in time".into(),
            },
            Self::ConnectionLost => "the connection broke".into(),
            Self::Malformed => "a 200 that is no answer".into(),
            Self::ContextWindow => "too long for the model".into(),
            Self::ContentPolicy => "against the provider's content policy".into(),
        }
    }

    pub(super) fn outcome(self) -> AttemptOutcome {
        match self {
            Self::RateLimited { .. } => AttemptOutcome::RateLimited,
            Self::Overloaded { .. } => AttemptOutcome::Overloaded,
            Self::CredentialsRefused => AttemptOutcome::CredentialsRefused,
            Self::ServerError | Self::Malformed => AttemptOutcome::ServerError,
            Self::ContextWindow | Self::ContentPolicy => AttemptOutcome::ClientError,
            Self::ConnectFailed => AttemptOutcome::ConnectFailed,
            Self::TimedOut => AttemptOutcome::TimedOut,
            Self::ConnectionLost => AttemptOutcome::ConnectionLost,
        }
    }
}

/// What a target said of a request whose own fault it is, in the caller's protocol.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Bytes,
    pub(super) usage: Observation,
}

/// The failures of a request.
#[derive(Debug, Default)]
pub(super) struct Failures {
    of_attempts: Vec<Failure>,
    told: Option<Told>,
    rejected: Option<Rejected>,
    /// When the keys that were passed over, because their own limits are used up, may be used again.
    used_up: Vec<Duration>,
    /// There was no candidate to ask any more.
    nobody_left: bool,
}

/// What the caller gets when nobody could answer.
#[derive(Debug)]
pub(super) enum Conclusion {
    Refuse(Refusal),
    Tell(Told),
}

impl Failures {
    /// `told`: what the target said, where the caller can do something about it.
    pub(super) fn add(&mut self, failure: Failure, told: Option<Told>) {
        self.of_attempts.push(failure);
        self.told = told.or(self.told.take());
    }

    /// A target whose protocol cannot say what the request says: nothing was tried there.
    pub(super) fn reject(&mut self, rejected: Rejected) {
        self.rejected.get_or_insert(rejected);
    }

    /// A key whose own limit is used up is as good as rate limited, but nothing was tried. Returns who may follow it, if
    /// `successor` might have been it.
    pub(super) fn pass_over(&mut self, wait: Duration, successor: Successor, fallback_on: FallbackOn) -> Successor {
        self.used_up.push(wait);
        match successor {
            Successor::SameTarget => Successor::SameTarget,
            // Whom to leave out is noted in the plan; other keys of this target are not among them.
            Successor::Anyone | Successor::OtherTarget => {
                Failure::RateLimited { retry_after: Some(wait), quota: Quota::Window }.successor(fallback_on)
            }
        }
    }

    /// There is no candidate to ask.
    pub(super) fn nobody_is_left(&mut self) {
        self.nobody_left = true;
    }

    /// Whether an attempt met one: then it rests for that, and not for something else.
    pub(super) fn are_of_rate_limits(&self) -> bool {
        self.of_attempts.iter().any(|failure| matches!(failure, Failure::RateLimited { .. }))
    }

    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.of_attempts.len()).unwrap_or(u32::MAX)
    }

    /// What the caller can mend itself comes before what was only the upstreams' trouble. `soonest`: of the candidates
    /// that rest for their rate limit, tried or not, when the first can serve.
    pub(super) fn conclude(self, soonest: Option<Duration>) -> Conclusion {
        match self {
            Self { told: Some(told), .. } => Conclusion::Tell(told),
            // Another target that can serve it may only be used up for now.
            Self { rejected: Some(rejected), of_attempts, used_up, nobody_left, .. }
                if of_attempts.is_empty() && used_up.is_empty() && !(nobody_left && soonest.is_some()) =>
            {
                Conclusion::Refuse(Refusal::rejected(&rejected))
            }
            _ => Conclusion::Refuse(self.into_refusal(soonest)),
        }
    }

    /// The class of the failures decides, and what the caller can act on comes first: a rate limit (when will it be
    /// over), an overload, the keys, a time-out, and then the rest. `first`: when the first candidate is over its rate
    /// limit.
    fn into_refusal(self, first: Option<Duration>) -> Refusal {
        let soonest = |wait: fn(&Failure) -> Option<Option<Duration>>| -> Option<Option<Duration>> {
            let waits: Vec<Option<Duration>> = self.of_attempts.iter().filter_map(wait).collect();
            (!waits.is_empty()).then(|| waits.into_iter().flatten().min().map(|wait| wait.max(SHORTEST_REST)))
        };
        let rate_limited = soonest(|failure| match failure {
            Failure::RateLimited { retry_after, quota: Quota::Window } => Some(*retry_after),
            // What is said beside it is about the minute's.
            Failure::RateLimited { quota: Quota::Day, .. } => Some(None),
            _ => None,
        });
        // Nobody was asked when the time was up before.
        let first = first.filter(|_| !self.of_attempts.is_empty() || (self.nobody_left && self.used_up.is_empty()));
        if rate_limited.is_some() || first.is_some() {
            let wait = rate_limited.flatten().into_iter().chain(first).min();
            let refusal = Refusal::new(ErrorKind::RateLimited, "The upstream's rate limit is reached on every key.");
            let wait = wait.into_iter().chain(self.used_up.iter().copied()).min();
            return refusal.after(wait.unwrap_or(Duration::from_secs(1)));
        }
        if let Some(wait) = self.used_up.iter().min()
            && self.of_attempts.is_empty()
        {
            let message = "The limit of every upstream key that could serve this request is reached.";
            return Refusal::new(ErrorKind::RateLimited, message).after(*wait);
        }
        let overloaded = soonest(|failure| match failure {
            Failure::Overloaded { retry_after } => Some(*retry_after),
            _ => None,
        });
        if let Some(wait) = overloaded {
            let refusal = Refusal::new(ErrorKind::Overloaded, "The upstream is overloaded.");
            return refusal.after(wait.unwrap_or(Duration::from_secs(1)));
        }
        let any = |failure| self.of_attempts.contains(&failure);
        if !self.of_attempts.is_empty() && self.of_attempts.iter().all(|failure| failure.is_the_keys()) {
            let message = "The upstream refused every key that could serve this request.";
            return Refusal::new(ErrorKind::UpstreamCredentialsExhausted, message);
        }
        let time_was_up = self.of_attempts.is_empty() && !self.nobody_left;
        if any(Failure::TimedOut) || time_was_up {
            return Refusal::new(ErrorKind::UpstreamTimeout, "The upstream did not answer in time.");
        }
        Refusal::new(ErrorKind::UpstreamUnavailable, "No upstream could answer this request.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(failures: &[Failure]) -> ErrorKind {
        Failures { of_attempts: failures.to_vec(), ..Failures::default() }.into_refusal(None).kind
    }

    #[test]
    fn the_class_of_the_failures_decides() {
        let limited = Failure::RateLimited { retry_after: None, quota: Quota::Window };
        let overloaded = Failure::Overloaded { retry_after: None };
        assert_eq!(kind(&[Failure::ServerError, limited]), ErrorKind::RateLimited);
        assert_eq!(kind(&[Failure::ServerError, overloaded]), ErrorKind::Overloaded);
        assert_eq!(kind(&[Failure::CredentialsRefused; 2]), ErrorKind::UpstreamCredentialsExhausted);
        assert_eq!(kind(&[Failure::CredentialsRefused, Failure::ServerError]), ErrorKind::UpstreamUnavailable);
        let spent = Failure::RateLimited { retry_after: None, quota: Quota::Spent };
        assert_eq!(kind(&[spent, Failure::CredentialsRefused]), ErrorKind::UpstreamCredentialsExhausted);
        assert_eq!(kind(&[spent, limited]), ErrorKind::RateLimited);
        assert_eq!(kind(&[spent, Failure::ServerError]), ErrorKind::UpstreamUnavailable);
        assert_eq!(kind(&[Failure::ConnectFailed, Failure::TimedOut]), ErrorKind::UpstreamTimeout);
        assert_eq!(kind(&[Failure::ConnectionLost]), ErrorKind::UpstreamUnavailable);
    }

    #[test]
    fn what_is_said_beside_a_days_quota_is_not_the_callers_wait() {
        let minute = Some(Duration::from_secs(34));
        let day = Failure::RateLimited { retry_after: minute, quota: Quota::Day };
        let failures = || Failures { of_attempts: vec![day], ..Failures::default() };
        let midnight = Duration::from_hours(9);
        assert_eq!(failures().into_refusal(Some(midnight)).retry_after(), Some(midnight));
        let limited = Failure::RateLimited { retry_after: minute, quota: Quota::Window };
        let both = Failures { of_attempts: vec![day, limited], ..Failures::default() };
        assert_eq!(both.into_refusal(Some(midnight)).retry_after(), minute);
    }

    #[test]
    fn keys_that_nobody_asked_are_told_as_what_they_rest_for() {
        let conclude = |failures: Failures, soonest| match failures.conclude(soonest) {
            Conclusion::Refuse(refusal) => (refusal.kind, refusal.retry_after()),
            Conclusion::Tell(told) => panic!("{told:?}"),
        };
        let nobody = || {
            let mut failures = Failures::default();
            failures.nobody_is_left();
            failures
        };
        let midnight = Some(Duration::from_hours(9));
        assert_eq!(conclude(nobody(), midnight), (ErrorKind::RateLimited, midnight));
        assert_eq!(conclude(nobody(), None).0, ErrorKind::UpstreamUnavailable);
        assert_eq!(conclude(Failures::default(), midnight).0, ErrorKind::UpstreamTimeout);
        // One target cannot serve the request, and the other cannot today.
        let rejected = || Some(Rejected::new("n", "cannot be said"));
        assert_eq!(
            conclude(Failures { rejected: rejected(), ..nobody() }, midnight),
            (ErrorKind::RateLimited, midnight)
        );
        assert_ne!(conclude(Failures { rejected: rejected(), ..nobody() }, None).0, ErrorKind::RateLimited);
    }
}
