//! What a request and its caller want of the cache. Pure.

use http::{HeaderMap, header};
use memchr::memmem;
use tollgate_dialect::endpoint::Operation;

use crate::gateway::Inquiry;

/// What is to be done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Answers of this kind are never kept.
    None,
    /// This one is neither taken from the cache nor kept.
    Bypass,
    /// A new answer is wanted, which is kept (`no-cache`).
    Renew,
    /// An answer that is kept will do when it is at most so many seconds old.
    Ask { max_age_seconds: u64 },
}

impl Wish {
    pub(super) fn of(inquiry: &Inquiry<'_>, headers: &HeaderMap) -> Self {
        if !is_kept(inquiry.operation()) {
            return Self::None;
        }
        if is_about_stored(inquiry) { Self::Bypass } else { Self::directed(headers) }
    }

    /// By the caller's `cache-control` (RFC 9111, section 5.2.1). Only what is narrower than the service's own setting
    /// has a meaning here: nothing old is kept that `max-stale` could ask for.
    fn directed(headers: &HeaderMap) -> Self {
        let mut max_age_seconds = u64::MAX;
        let mut is_renewed = false;
        let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        for directive in values.flat_map(|value| value.split(',')) {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
            if is("no-store") {
                return Self::Bypass;
            } else if is("no-cache") {
                is_renewed = true;
            } else if is("max-age") {
                max_age_seconds = max_age_seconds.min(delta_seconds(argument.trim().trim_matches('"')));
            }
        }
        if is_renewed || max_age_seconds == 0 { Self::Renew } else { Self::Ask { max_age_seconds } }
    }
}

/// One that is too large to be told is the largest (RFC 9111, section 1.2.2), one that cannot be read the strictest.
fn delta_seconds(text: &str) -> u64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().unwrap_or(u64::MAX) } else { 0 }
}

/// Conversations, completions and embeddings: answers that depend on the request alone.
const fn is_kept(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions
            | Operation::Completions
            | Operation::Responses
            | Operation::Messages
            | Operation::GenerateContent
            | Operation::StreamGenerateContent
            | Operation::Embeddings
            | Operation::EmbedContent
            | Operation::BatchEmbedContents
    )
}

/// Whether the request makes, continues or names something that a provider stores: it is not done when nobody is asked.
fn is_about_stored(inquiry: &Inquiry<'_>) -> bool {
    inquiry.pin().is_some()
        || inquiry.is_about_stored()
        || inquiry.operation() == Operation::Responses && memmem::find(inquiry.body(), b"\"conversation\"").is_some()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn directed(values: &[&str]) -> Wish {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
        }
        Wish::directed(&headers)
    }

    #[test]
    fn the_callers_directives_are_heeded() {
        const ANY: Wish = Wish::Ask { max_age_seconds: u64::MAX };
        for (values, wish) in [
            (&[][..], ANY),
            (&["max-stale=60, only-when-sunny"], ANY),
            (&["no-store"], Wish::Bypass),
            (&["No-Cache, NO-STORE"], Wish::Bypass),
            (&["no-cache"], Wish::Renew),
            (&["max-age=0"], Wish::Renew),
            (&["max-age=soon"], Wish::Renew),
            (&["max-age=+60"], Wish::Renew),
            (&["max-age="], Wish::Renew),
            (&["max-age=99999999999999999999"], ANY),
            (&["max-age=99999999999999999999, max-age=60"], Wish::Ask { max_age_seconds: 60 }),
            (&["max-age=60"], Wish::Ask { max_age_seconds: 60 }),
            (&["max-age = \"60\"", "max-age=30"], Wish::Ask { max_age_seconds: 30 }),
            (&["max-age=60", "no-cache"], Wish::Renew),
            (&["no-storey"], ANY),
        ] {
            assert_eq!(directed(values), wish, "{values:?}");
        }
    }
}
