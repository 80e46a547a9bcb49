//! The blocks of thinking that are given out, and the proof that they came back unchanged.

use super::super::signature;

const THINKING: &str = "thinking-of-the-block-it-came-with";
const REDACTED: &str = "redacted-thinking";

/// The proof that a thinking block is one of ours and unchanged.
pub(super) fn signature(thinking: &str) -> String {
    signature::sign(THINKING, thinking)
}

pub(super) fn is_signed(thinking: &str, signature: &str) -> bool {
    signature::signs(THINKING, thinking, signature)
}

/// Thinking that only the provider can read.
pub(super) fn redacted(thinking: &str) -> String {
    signature::sign(REDACTED, thinking)
}

pub(super) fn is_redacted(data: &str) -> bool {
    signature::is_ours(REDACTED, data)
}
