//! The `x-ratelimit-*` headers: how the caller's tightest limits stand. What a provider says under these names never
//! gets here.

use http::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use crate::limits::{Ledger, Standing, duration_text};

/// Limit, remaining, reset.
type Names = [HeaderName; 3];

const REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Adds those that the caller's service does not hide.
pub(crate) fn insert(header: &mut ResponseHeader, ledger: &Ledger) -> pingora::Result<()> {
    let Some(caller) = &ledger.caller else { return Ok(()) };
    let hidden = &caller.service.hidden_headers;
    for (names, standing) in [(REQUESTS, ledger.standings.requests), (TOKENS, ledger.standings.tokens)] {
        let Some(Standing { limit, remaining, reset }) = standing else { continue };
        let reset = HeaderValue::try_from(duration_text(reset)).unwrap_or(HeaderValue::from_static("0s"));
        for (name, value) in names.into_iter().zip([limit.into(), remaining.into(), reset]) {
            if !hidden.contains(&name) {
                header.insert_header(name, value)?;
            }
        }
    }
    Ok(())
}
