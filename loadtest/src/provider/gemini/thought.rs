//! Thought signatures: given out with the part that the thoughts led to, and wanted back with it.

use super::super::signature;

/// With these a history from elsewhere may stand in for signatures that it never had.
const STAND_INS: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];
const TEXT: &str = "thought-text";

fn call(name: &str) -> String {
    format!("thought-call-{name}")
}

pub(super) fn of_text(reasoning: &str) -> String {
    signature::sign(TEXT, reasoning)
}

pub(super) fn of_call(name: &str, reasoning: &str) -> String {
    signature::sign(&call(name), reasoning)
}

/// Whether it was given out with such a part: a call of that function, or anything else.
pub(super) fn is_valid(signature: &str, called: Option<&str>) -> bool {
    STAND_INS.contains(&signature)
        || match called {
            Some(name) => signature::is_ours(&call(name), signature),
            None => signature::is_ours(TEXT, signature),
        }
}
