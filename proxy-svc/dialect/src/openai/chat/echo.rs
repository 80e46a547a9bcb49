//! What an answer has to know of its request: whether the caller speaks of `functions`, as it was before there were
//! tools, and therefore waits for `function_call` in the answer.

use crate::json::Value;

const LEGACY: &[u8] = b"\"functions\":true";

pub(super) fn of(body: Value<'_>) -> Vec<u8> {
    let is_legacy = body.get("functions").is_some() && body.get("tools").is_none();
    if is_legacy { LEGACY.to_vec() } else { Vec::new() }
}

pub(super) fn is_legacy(echo: &[u8]) -> bool {
    echo == LEGACY
}
