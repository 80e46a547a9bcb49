//! Enumerations as bytes. The numbers are for ever: journals that were written before a program's update have them.

use super::{
    super::event::{AttemptOutcome, CacheUse, Outcome, Protocol, Reserved, UsageSource},
    Malformed,
};

/// The codes of an enumeration, both ways; one that is missing does not compile.
macro_rules! codes {
    ($($encode:ident / $decode:ident: $type:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        pub(super) const fn $encode(value: $type) -> u8 {
            match value { $($type::$variant => $code),* }
        }

        pub(super) const fn $decode(code: u8) -> Result<$type, Malformed> {
            match code { $($code => Ok($type::$variant),)* _ => Err(Malformed) }
        }
    )*};
}

codes! {
    code / protocol: Protocol { OpenAi = 1, Anthropic = 2, Gemini = 3 }
    outcome_code / outcome: Outcome {
        Ok = 1, ClientError = 2, Refused = 3, UpstreamError = 4, ClientClosed = 5, Interrupted = 6,
    }
    source_code / source: UsageSource { Provider = 1, Partial = 2, Estimated = 3 }
    cache_code / cache_use: CacheUse { Miss = 1, Hit = 2, Bypass = 3 }
    attempt_code / attempt_outcome: AttemptOutcome {
        Ok = 1, RateLimited = 2, Overloaded = 3, ServerError = 4, CredentialsRefused = 5, ClientError = 6,
        ConnectFailed = 7, TimedOut = 8, ConnectionLost = 9, ClientClosed = 10,
    }
}

/// In four bits; 0: not known.
pub(super) fn reserved_code(reserved: Option<Reserved>) -> u8 {
    reserved.map_or(0, |Reserved { service, user, access_key }| {
        1 | u8::from(service) << 1 | u8::from(user) << 2 | u8::from(access_key) << 3
    })
}

pub(super) fn reserved(code: u8) -> Option<Reserved> {
    let has = |bit: u8| code & bit != 0;
    has(1).then(|| Reserved { service: has(1 << 1), user: has(1 << 2), access_key: has(1 << 3) })
}
