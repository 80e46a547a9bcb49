//! What an upstream's answer means: for the key that was used, and for whether another is tried.

use crate::Protocol;
use crate::usage::ProviderError;

pub mod wait;

/// Looks a header up by its lower-case name.
pub type Headers<'f, 'h> = &'f dyn Fn(&str) -> Option<&'h str>;

/// Which allowance a rate limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// One of seconds or minutes.
    Window,
    /// The day's.
    Day,
    /// The account has no credit left.
    Spent,
}

/// The class of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Ok,
    /// The request's own fault: passed back untouched, neutral for the key.
    ClientError,
    /// The key cools down for this model; another is tried.
    RateLimited {
        retry_after_ms: Option<u64>,
        quota: Quota,
    },
    /// The provider has no capacity; another target is tried.
    Overloaded {
        retry_after_ms: Option<u64>,
    },
    ServerError {
        retry_after_ms: Option<u64>,
    },
    /// The provider gave up waiting for what it was sent: another attempt may not be so late.
    TimedOut,
    /// The key is bad: never the caller's business.
    CredentialsRefused,
}

/// Classifies an answer by its status, its headers and, where the caller has it, its body. Without the body a
/// Gemini key that is refused with a 400 looks like the client's fault, and a spent account like a rate limit: give
/// it for statuses from 400 on.
pub fn response(protocol: Protocol, status: u16, headers: Headers<'_, '_>, body: Option<&[u8]>) -> Class {
    if (200..300).contains(&status) {
        return Class::Ok;
    }
    let dialect = protocol.dialect();
    let class = dialect.classify(status, headers, body).unwrap_or_else(|| by_status(status));
    let told = || dialect.wait_ms(body).or_else(|| exhausted_ms(dialect.dimensions(), headers));
    let wait = || wait::header_ms(headers).or_else(told);
    match class {
        Class::RateLimited { retry_after_ms, quota } => {
            Class::RateLimited { retry_after_ms: retry_after_ms.or_else(wait), quota }
        }
        Class::Overloaded { .. } => Class::Overloaded { retry_after_ms: wait() },
        Class::ServerError { .. } => Class::ServerError { retry_after_ms: wait::header_ms(headers) },
        other => other,
    }
}

/// What a provider says of its rate limit, of the dimension of which the smallest part is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Of the limit, in thousandths; 0 only when nothing at all is left.
    pub per_mille: u16,
    /// Until the dimension is full again, where that is told.
    pub until_ms: Option<u64>,
}

/// One dimension of a rate limit: the names of its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dimension {
    pub(crate) limit: &'static str,
    pub(crate) remaining: &'static str,
    pub(crate) reset: &'static str,
}

impl Dimension {
    fn left(&self, headers: Headers<'_, '_>) -> Option<Left> {
        let number = |name: &str| headers(name)?.trim().parse::<u64>().ok();
        let remaining = number(self.remaining)?;
        let limit = number(self.limit).unwrap_or(0).max(remaining).max(1);
        let per_mille = u128::from(remaining) * 1000 / u128::from(limit);
        let per_mille = u16::try_from(per_mille).unwrap_or(1000).max(u16::from(remaining > 0));
        Some(Left { per_mille, until_ms: self.reset_ms(headers) })
    }

    fn reset_ms(&self, headers: Headers<'_, '_>) -> Option<u64> {
        wait::reset_ms(headers(self.reset)?, headers("date"))
    }
}

/// What an answer's headers say of what is left.
pub fn left(protocol: Protocol, headers: Headers<'_, '_>) -> Option<Left> {
    let told = protocol.dialect().dimensions().iter().filter_map(|dimension| dimension.left(headers));
    // Of those of which nothing is left, the one that lasts longest.
    told.min_by_key(|left| (left.per_mille, std::cmp::Reverse(left.until_ms.unwrap_or(0))))
}

/// The reset of the dimension that has nothing left.
fn exhausted_ms(dimensions: &[Dimension], headers: Headers<'_, '_>) -> Option<u64> {
    let is_exhausted = |dimension: &&Dimension| dimension.left(headers).is_some_and(|left| left.per_mille == 0);
    dimensions.iter().filter(is_exhausted).filter_map(|dimension| dimension.reset_ms(headers)).max()
}

/// What a request's own fault is, where another model or provider may see it in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not fit the model's context.
    ContextWindow,
    /// The provider refuses what was asked for.
    ContentPolicy,
    Other,
}

/// Looks into an error of class [`Class::ClientError`]. Only OpenAI has codes for this; the others say it in words.
pub fn fault(protocol: Protocol, status: u16, body: &[u8]) -> Fault {
    if !matches!(status, 400 | 413 | 422) {
        return Fault::Other;
    }
    protocol.dialect().fault(&ProviderError::in_answer(body))
}

impl Fault {
    /// By a code or by words, of which the message says one whatever its case.
    pub(crate) fn told(error: &ProviderError, too_long: Signs<'_>, refused: Signs<'_>) -> Self {
        let message = error.message.to_ascii_lowercase();
        let shows = |signs: Signs<'_>| {
            error.names().any(|name| signs.codes.contains(&name))
                || signs.words.iter().any(|words| message.contains(words))
        };
        match (shows(too_long), shows(refused)) {
            (true, _) => Self::ContextWindow,
            (_, true) => Self::ContentPolicy,
            _ => Self::Other,
        }
    }
}

/// What an error says of a fault: one of these codes, or these words in small letters.
#[derive(Clone, Copy)]
pub(crate) struct Signs<'s> {
    pub(crate) codes: &'s [&'s str],
    pub(crate) words: &'s [&'s str],
}

/// Classifies an error that came inside a 200, before or in a stream.
pub fn in_stream(protocol: Protocol, error: &ProviderError) -> Class {
    let status = error.status.unwrap_or_else(|| error.names().find_map(status_of).unwrap_or(500));
    let quota = error
        .names()
        .any(|name| matches!(name, "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active"));
    match by_status(status) {
        Class::RateLimited { retry_after_ms, .. } if quota => {
            Class::RateLimited { retry_after_ms, quota: Quota::Spent }
        }
        Class::ClientError if protocol == Protocol::Gemini && error.names().any(|name| name == "UNAUTHENTICATED") => {
            Class::CredentialsRefused
        }
        class => class,
    }
}

/// The status that a provider would have sent with an error of this name.
fn status_of(name: &str) -> Option<u16> {
    Some(match name {
        "invalid_request_error" | "invalid_prompt" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "billing_error" => 402,
        "permission_error" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => 404,
        "request_too_large" => 413,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "RESOURCE_EXHAUSTED" => 429,
        "overloaded_error" => 529,
        "UNAVAILABLE" => 503,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "api_error" | "server_error" | "INTERNAL" => 500,
        _ => return None,
    })
}

const fn by_status(status: u16) -> Class {
    match status {
        401..=403 => Class::CredentialsRefused,
        429 => Class::RateLimited { retry_after_ms: None, quota: Quota::Window },
        503 | 529 => Class::Overloaded { retry_after_ms: None },
        408 => Class::TimedOut,
        400..500 => Class::ClientError,
        // A redirect is not followed, and nothing below 200 is an answer.
        _ => Class::ServerError { retry_after_ms: None },
    }
}

#[cfg(test)]
mod tests;
