//! OpenAI's own headers that cross the gateway; what for is said in [`crate::headers`].

use crate::headers::Side;

const REQUEST: &[&str] = &["openai-beta", "idempotency-key"];
const RESPONSE: &[&str] = &["openai-model", "openai-version", "openai-processing-ms"];

pub(super) const fn allowed(side: Side) -> &'static [&'static str] {
    match side {
        Side::Request => REQUEST,
        Side::Response => RESPONSE,
    }
}
