//! The `x-ratelimit-*` headers: how the caller's tightest limits stand. What a provider says under these names never
//! gets here.

use std::ops::Range;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{Ledger, Standing, Standings, put_duration, put_number};

/// Limit, remaining, reset.
type Names = [HeaderName; 3];

static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
/// Room for the values of all six.
const VALUES_BYTES: usize = 160;

/// Adds those that the caller's service does not hide. Their values are parts of one text, which takes one allocation.
pub(crate) fn insert(headers: &mut HeaderMap, ledger: &Ledger<'_>) {
    let Some(caller) = ledger.caller() else { return };
    let hidden = &caller.service.hidden_headers;
    let standings = ledger.standings();
    if standings == Standings::default() {
        return;
    }
    let mut text = BytesMut::with_capacity(VALUES_BYTES);
    let of_requests = standings.requests.map(|standing| put(&mut text, standing));
    let of_tokens = standings.tokens.map(|standing| put(&mut text, standing));
    let text = text.freeze();
    for (names, ranges) in [(&REQUESTS, of_requests), (&TOKENS, of_tokens)] {
        for (name, range) in names.iter().zip(ranges.into_iter().flatten()) {
            if !hidden.contains(name)
                && let Ok(value) = HeaderValue::from_maybe_shared(text.slice(range))
            {
                headers.insert(name, value);
            }
        }
    }
}

/// Limit, remaining and reset; where each stands.
fn put(text: &mut BytesMut, standing: Standing) -> [Range<usize>; 3] {
    let Standing { limit, remaining, reset } = standing;
    let begin = text.len();
    put_number(text, limit);
    let limited = text.len();
    put_number(text, remaining);
    let remains = text.len();
    put_duration(text, reset);
    [begin..limited, limited..remains, remains..text.len()]
}
