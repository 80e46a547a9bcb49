//! The `x-ratelimit-*` headers: how the caller's tightest limits stand. What a provider says under these names never
//! gets here.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{Ledger, Standing, put_duration, put_number};

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
/// The values of all six, in one allocation.
const VALUES_BYTES: usize = 96;

/// Adds those that the caller's service does not hide.
pub(crate) fn insert(headers: &mut HeaderMap, ledger: &Ledger<'_>) {
    let Some(caller) = ledger.caller() else { return };
    let hidden = &caller.service.hidden_headers;
    let standings = ledger.standings();
    let mut text = BytesMut::new();
    for (names, standing) in [(&REQUESTS, standings.requests), (&TOKENS, standings.tokens)] {
        let Some(Standing { limit, remaining, reset }) = standing else { continue };
        text.reserve(VALUES_BYTES);
        let values = [
            value(&mut text, |text| put_number(text, limit)),
            value(&mut text, |text| put_number(text, remaining)),
            value(&mut text, |text| put_duration(text, reset)),
        ];
        for (name, value) in names.iter().zip(values) {
            if !hidden.contains(name) {
                headers.insert(name.clone(), value);
            }
        }
    }
}

fn value(text: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) -> HeaderValue {
    put(text);
    let written = HeaderValue::from_maybe_shared(text.split().freeze());
    written.unwrap_or(HeaderValue::from_static("0"))
}
