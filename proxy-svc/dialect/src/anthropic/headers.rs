//! Anthropic's own headers that cross the gateway; what for is said in [`crate::headers`].

use crate::headers::Side;

const REQUEST: &[&str] = &["anthropic-beta", "idempotency-key", "anthropic-version"];
const RESPONSE: &[&str] = &["request-id"];

pub(super) const fn allowed(side: Side) -> &'static [&'static str] {
    match side {
        Side::Request => REQUEST,
        Side::Response => RESPONSE,
    }
}
