//! What a fault is, and what is to come of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_tests::Dialect;

/// A row of a table: played at providers of these protocols, for callers of those.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) upstreams: Vec<Dialect>,
    pub(super) callers: Vec<Dialect>,
    /// As the simulated provider takes it.
    pub(super) script: Value,
    pub(super) streamed: bool,
    /// What the service waits for a first byte, and for the next.
    pub(super) patience_ms: u64,
    pub(super) comes: Comes,
    /// A connection that breaks without a word may have been closed while it was idle: then the same attempt is made once
    /// more, on a new one.
    pub(super) is_repeated: bool,
    /// Once both keys have met it nobody asks them again for a while.
    pub(super) is_believed: bool,
}

/// What comes of it for the first of two keys, and for the caller.
#[derive(Clone, Debug)]
pub(super) enum Comes {
    /// The second key answers, and the first rests at once.
    Rest { shown: Shown, told: Told },
    /// The second key answers; the third time in a row ejects the first.
    Failure { cause: &'static str, told: Told },
    /// What has begun ends visibly; the third time in a row ejects the key.
    Broken { cause: &'static str },
    /// The first key answers, and rests from then on.
    LastAnswer { shown: Shown },
    /// The request is at fault, and the caller is told so with the provider's status, or with this one where its protocol
    /// has no such; nothing comes of it for the key.
    Own { status: u16, translated: u16 },
    /// The answer says that the prompt is blocked, which is an answer.
    Blocked,
    /// The answer is a good one.
    Nothing,
}

/// What the control plane shows of a key.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
    pub(super) wait: Wait,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    None,
    Seconds(u64),
    /// California's, where the day of a quota ends.
    Midnight,
}

/// What a caller is told when the fault met all keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// With the wait that is passed on.
    RateLimited(Wait),
    Overloaded(Wait),
    KeysRefused,
    TimedOut,
    Unavailable,
}

/// One request of a case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Round {
    Answered {
        attempts: u32,
    },
    Broken,
    Blocked,
    Refused {
        status: u16,
        translated: u16,
    },
    /// Both keys have met the fault.
    Told(Told),
}

/// How often the first and the second key are called.
pub(super) type Calls = [usize; 2];

impl Fault {
    pub(super) fn new(name: &str, script: Value, comes: Comes) -> Self {
        let all = || Dialect::ALL.to_vec();
        let (name, upstreams, callers) = (name.to_owned(), all(), all());
        let (patience_ms, is_repeated, is_believed) = (10_000, false, false);
        Self { name, upstreams, callers, script, streamed: false, patience_ms, comes, is_repeated, is_believed }
    }

    pub(super) fn status(status: u16, comes: Comes) -> Self {
        Self::new(&status.to_string(), json!({"kind": "status", "status": status}), comes)
    }

    pub(super) fn at(mut self, upstreams: &[Dialect]) -> Self {
        self.upstreams = upstreams.to_vec();
        self
    }

    pub(super) fn asked_by(mut self, callers: &[Dialect]) -> Self {
        self.callers = callers.to_vec();
        self
    }

    pub(super) fn streamed(mut self) -> Self {
        self.streamed = true;
        self.name.push_str("-streamed");
        self
    }

    /// Its silence is what is waited for; everything else gets all the time that it takes.
    pub(super) fn silent(mut self) -> Self {
        self.patience_ms = 300;
        self
    }

    pub(super) fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }

    pub(super) fn believed(mut self) -> Self {
        self.is_believed = true;
        self
    }
}

impl Fault {
    /// What this caller is told when both keys meet it. It depends on nothing but whether the answer is translated, so of
    /// three providers one of another protocol will do.
    pub(super) fn told(&self, caller: Dialect, upstream: Dialect) -> Option<Told> {
        self.comes.told().filter(|_| self.upstreams.len() < 3 || upstream != caller.next().next())
    }
}

impl Comes {
    /// It is about the key as a whole, not the key for one model.
    pub(super) fn is_of_key(&self) -> bool {
        matches!(self, Self::Rest { told: Told::KeysRefused, .. })
    }

    /// When the first key alone meets the fault.
    pub(super) fn rounds(&self) -> (Vec<Round>, Calls) {
        let answered = |attempts: &[u32]| attempts.iter().map(|&attempts| Round::Answered { attempts }).collect();
        match self {
            Self::Rest { .. } => (answered(&[2, 1]), [1, 2]),
            Self::Failure { .. } => (answered(&[2, 2, 2, 1]), [3, 4]),
            Self::Broken { .. } => {
                (vec![Round::Broken, Round::Broken, Round::Broken, Round::Answered { attempts: 1 }], [3, 1])
            }
            Self::LastAnswer { .. } => (answered(&[1, 1]), [1, 1]),
            Self::Own { status, translated } => {
                (vec![Round::Refused { status: *status, translated: *translated }; 4], [4, 0])
            }
            Self::Blocked => (vec![Round::Blocked; 4], [4, 0]),
            Self::Nothing => (answered(&[1, 1, 1, 1]), [4, 0]),
        }
    }

    /// Whether another key is asked.
    pub(super) fn is_retried(&self) -> bool {
        matches!(self, Self::Rest { .. } | Self::Failure { .. })
    }

    /// What the caller is told when both keys meet it, where that is something else.
    fn told(&self) -> Option<Told> {
        match self {
            Self::Rest { told, .. } | Self::Failure { told, .. } => Some(*told),
            Self::Broken { .. } | Self::LastAnswer { .. } | Self::Own { .. } | Self::Blocked | Self::Nothing => None,
        }
    }

    /// What is shown of the first key.
    pub(super) fn shown(&self) -> Option<Shown> {
        Some(match self {
            Self::Rest { shown, .. } | Self::LastAnswer { shown } => shown.clone(),
            Self::Failure { cause, .. } | Self::Broken { cause } => {
                Shown { state: "ejected", reason: cause, wait: Wait::Seconds(30) }
            }
            Self::Blocked | Self::Nothing => Shown { state: "healthy", reason: "", wait: Wait::None },
            // It is no outcome of the key's. That it goes on to be asked shows that nothing came of it.
            Self::Own { .. } => return None,
        })
    }
}

impl Wait {
    /// Whether that much of it is left after so long, give or take what messages take.
    pub(super) fn is_left(self, seconds: Option<u64>, after: Duration) -> bool {
        const SLACK: u64 = 3;
        let Some(seconds) = seconds else { return matches!(self, Self::None) };
        match self {
            Self::None => false,
            Self::Seconds(whole) => (whole.saturating_sub(after.as_secs() + SLACK)..=whole + 1).contains(&seconds),
            Self::Midnight => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let of_day = (now + seconds) % 86_400;
                [7, 8].iter().any(|hour: &u64| of_day.abs_diff(hour * 3600) <= SLACK)
            }
        }
    }
}

impl Told {
    /// The status, and the error's type in the caller's protocol.
    pub(super) fn of(self, caller: Dialect) -> (u16, &'static str) {
        let types = |[openai, anthropic, gemini]: [&'static str; 3]| match caller {
            Dialect::OpenAi => openai,
            Dialect::Anthropic => anthropic,
            Dialect::Gemini => gemini,
        };
        match self {
            Self::RateLimited(_) => (429, types(["rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"])),
            Self::Overloaded(_) => {
                let status = if caller == Dialect::Anthropic { 529 } else { 503 };
                (status, types(["server_error", "overloaded_error", "UNAVAILABLE"]))
            }
            Self::KeysRefused | Self::Unavailable => (502, types(["server_error", "api_error", "UNAVAILABLE"])),
            Self::TimedOut => (504, types(["server_error", "timeout_error", "DEADLINE_EXCEEDED"])),
        }
    }

    /// The code, which tells errors of the same type apart.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::RateLimited(_) => "rate_limit_exceeded",
            Self::Overloaded(_) => "overloaded",
            Self::KeysRefused => "upstream_credentials_exhausted",
            Self::TimedOut => "upstream_timeout",
            Self::Unavailable => "upstream_unavailable",
        }
    }

    pub(super) fn wait(self) -> Wait {
        match self {
            Self::RateLimited(wait) | Self::Overloaded(wait) => wait,
            Self::KeysRefused | Self::TimedOut | Self::Unavailable => Wait::None,
        }
    }
}
