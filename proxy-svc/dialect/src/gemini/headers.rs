//! Gemini's own headers that cross the gateway; what for is said in [`crate::headers`].

use crate::headers::Side;

const REQUEST: &[&str] = &["x-server-timeout"];
const RESPONSE: &[&str] = &[];

pub(super) const fn allowed(side: Side) -> &'static [&'static str] {
    match side {
        Side::Request => REQUEST,
        Side::Response => RESPONSE,
    }
}
