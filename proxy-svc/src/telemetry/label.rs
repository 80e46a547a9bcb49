//! The values that a label may have: closed sets, so that nothing a caller sends can grow the number of series.

use crate::report;

macro_rules! label {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As it stands in a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    )*};
}

label! {
    /// The protocol that the caller spoke.
    Protocol {
        Openai = "openai",
        Anthropic = "anthropic",
        Gemini = "gemini",
        /// Refused before it was known.
        Unknown = "unknown",
    }

    /// How a request ended, as in its usage event.
    Outcome {
        Ok = "ok",
        ClientError = "client_error",
        Refused = "refused",
        UpstreamError = "upstream_error",
        ClientClosed = "client_closed",
        Interrupted = "interrupted",
    }

    /// How one try against one upstream key ended.
    AttemptOutcome {
        Ok = "ok",
        RateLimited = "rate_limited",
        Overloaded = "overloaded",
        ServerError = "server_error",
        CredentialsRefused = "credentials_refused",
        ClientError = "client_error",
        ConnectFailed = "connect_failed",
        TimedOut = "timed_out",
        ConnectionLost = "connection_lost",
        ClientClosed = "client_closed",
    }
}

/// `none`, `1xx` … `5xx`.
pub(super) const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

pub(super) const fn status_class(status: u16) -> usize {
    match status {
        100..=599 => (status / 100) as usize,
        _ => 0,
    }
}

impl From<report::Protocol> for Protocol {
    fn from(protocol: report::Protocol) -> Self {
        match protocol {
            report::Protocol::OpenAi => Self::Openai,
            report::Protocol::Anthropic => Self::Anthropic,
            report::Protocol::Gemini => Self::Gemini,
        }
    }
}

impl From<report::Outcome> for Outcome {
    fn from(outcome: report::Outcome) -> Self {
        match outcome {
            report::Outcome::Ok => Self::Ok,
            report::Outcome::ClientError => Self::ClientError,
            report::Outcome::Refused => Self::Refused,
            report::Outcome::UpstreamError => Self::UpstreamError,
            report::Outcome::ClientClosed => Self::ClientClosed,
            report::Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<report::AttemptOutcome> for AttemptOutcome {
    fn from(outcome: report::AttemptOutcome) -> Self {
        match outcome {
            report::AttemptOutcome::Ok => Self::Ok,
            report::AttemptOutcome::RateLimited => Self::RateLimited,
            report::AttemptOutcome::Overloaded => Self::Overloaded,
            report::AttemptOutcome::ServerError => Self::ServerError,
            report::AttemptOutcome::CredentialsRefused => Self::CredentialsRefused,
            report::AttemptOutcome::ClientError => Self::ClientError,
            report::AttemptOutcome::ConnectFailed => Self::ConnectFailed,
            report::AttemptOutcome::TimedOut => Self::TimedOut,
            report::AttemptOutcome::ConnectionLost => Self::ConnectionLost,
            report::AttemptOutcome::ClientClosed => Self::ClientClosed,
        }
    }
}
