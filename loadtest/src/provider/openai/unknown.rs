//! What `OpenAI` says to members that it does not know.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::members::{Naming, Shape, Wrong, check};

/// `old_words`: chat completions word unknown arguments at the top differently.
pub(super) fn refuse(shape: &'static Shape, body: &Value, old_words: bool) -> Result<(), ApiError> {
    let Some(finding) = check(shape, body, Naming::Exact) else { return Ok(()) };
    let at = finding.bracketed();
    Err(match finding.wrong {
        Wrong::Unknown(name) if at.is_empty() && old_words => {
            ApiError::new(400, format!("Unrecognized request argument supplied: {name}"))
        }
        Wrong::Unknown(name) => {
            let at = if at.is_empty() { name } else { format!("{at}.{name}") };
            ApiError::invalid(&at, format!("Unknown parameter: '{at}'.")).code("unknown_parameter")
        }
        Wrong::Type(kind) => {
            ApiError::invalid(&at, format!("Invalid type for '{at}': expected {}.", article(kind))).code("invalid_type")
        }
        Wrong::Word(words) => invalid_value(&at, "", words),
        Wrong::Kind(kind, known) => invalid_value(&at, &kind, &known),
    })
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

fn invalid_value(at: &str, value: &str, known: &[&str]) -> ApiError {
    let known = known.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    ApiError::invalid(at, format!("Invalid value: '{value}'. Supported values are: {known}.")).code("invalid_value")
}
