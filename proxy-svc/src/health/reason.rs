//! Why something is in its state, in words without secrets.

use std::{fmt, time::Duration};

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A 5xx, or an answer that is none.
    Server,
    Overloaded,
    /// No connection.
    Connect,
    /// The connection broke.
    Lost,
    Timeout,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server error",
            Self::Overloaded => "overloaded",
            Self::Connect => "no connection",
            Self::Lost => "the connection broke",
            Self::Timeout => "time-out",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    #[default]
    None,
    RateLimited {
        wait: Duration,
        /// The provider said so.
        is_told: bool,
    },
    DayIsSpent,
    /// The provider's good answers said that nothing is left.
    NothingLeft,
    /// This gateway's own limit for the key.
    Capped,
    /// One failure, after which the provider asked to be left alone.
    Overloaded {
        wait: Duration,
    },
    Failing {
        failures: u32,
        cause: Cause,
    },
    TrialFailed {
        cause: Cause,
    },
    Refused {
        status: Option<u16>,
    },
    Spent,
    SeenFailing,
    SeenLimited,
}

impl Reason {
    /// Of an ejection, or of a rest after an overload.
    pub(crate) const fn cause(self) -> Option<Cause> {
        match self {
            Self::Failing { cause, .. } | Self::TrialFailed { cause } => Some(cause),
            Self::Overloaded { .. } => Some(Cause::Overloaded),
            Self::SeenFailing => Some(Cause::Connect),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("works"),
            Self::RateLimited { wait, is_told: true } => {
                write!(f, "rate limited, the provider asks to wait {} s", wait.as_millis().div_ceil(1000))
            }
            Self::RateLimited { wait, is_told: false } => {
                write!(f, "rate limited, tried again after {} s", wait.as_millis().div_ceil(1000))
            }
            Self::DayIsSpent => f.write_str("the day's quota is used up"),
            Self::NothingLeft => f.write_str("nothing is left of the provider's rate limit"),
            Self::Capped => f.write_str("the key's own limit is reached"),
            Self::Overloaded { wait } => {
                write!(f, "overloaded, the provider asks to wait {} s", wait.as_millis().div_ceil(1000))
            }
            Self::Failing { failures, cause } => {
                write!(f, "{failures} failures in a row, the last one: {}", cause.as_str())
            }
            Self::TrialFailed { cause } => write!(f, "still failing when tried again: {}", cause.as_str()),
            Self::Refused { status: Some(status) } => write!(f, "the provider refused the key with {status}"),
            Self::Refused { status: None } => f.write_str("the provider refused the key"),
            Self::Spent => f.write_str("the account has no credit left"),
            Self::SeenFailing => f.write_str("the control plane found it failing"),
            Self::SeenLimited => f.write_str("another proxy was told to wait"),
        }
    }
}
