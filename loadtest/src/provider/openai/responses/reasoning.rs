//! Reasoning items: what they carry out, and what must come back unchanged.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::exchange::Context;
use super::super::super::signature;
use super::super::stored;

const KIND: &str = "reasoning";

/// The reasoning, encrypted for the way to the caller and back.
pub(super) fn encrypted(reasoning: &str) -> String {
    signature::sign(KIND, reasoning)
}

/// An item of a request must be one that was given out: encrypted, or kept under its id.
pub(super) fn check(context: &Context, item: &Value, stored_here: bool, at: &str) -> Result<(), ApiError> {
    let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
    if !id.starts_with("rs_") {
        let message = format!("Invalid '{at}.id': '{id}'. Expected an ID that begins with 'rs'.");
        return Err(ApiError::invalid(format!("{at}.id"), message).code("invalid_value"));
    }
    if !item.get("summary").is_some_and(Value::is_array) {
        return Err(ApiError::invalid(format!("{at}.summary"), format!("Missing required parameter: '{at}.summary'."))
            .code("missing_required_parameter"));
    }
    match item.get("encrypted_content").and_then(Value::as_str) {
        Some(content) if signature::is_ours(KIND, content) => Ok(()),
        Some(_) => Err(ApiError::new(
            400,
            format!(
                "The encrypted content for item {id} could not be verified. Reason: Encrypted content could not be decrypted or parsed."
            ),
        )
        .code("invalid_encrypted_content")),
        None if stored_here && stored::check_owner(context, id, "rs_").is_ok() => Ok(()),
        None => Err(ApiError::invalid(
            "input",
            format!(
                "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
            ),
        )),
    }
}
