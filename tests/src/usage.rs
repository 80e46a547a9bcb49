//! Tokens, as a usage event and the simulated provider both count them.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The fields that make up the bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Tokens {
    pub input_uncached: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub output: u64,
    pub reasoning: u64,
}

impl Tokens {
    pub fn of(event: &Value) -> anyhow::Result<Self> {
        serde_json::from_value(event["usage"].clone()).with_context(|| format!("the usage of {event}"))
    }
}

/// Fails unless the event has the value in the field; `field` as a JSON pointer.
pub fn expect(event: &Value, field: &str, wanted: &Value) -> anyhow::Result<()> {
    let found = event.pointer(field).unwrap_or(&Value::Null);
    ensure!(found == wanted, "{field} is {found}, not {wanted}, in {event}");
    Ok(())
}

/// How the attempts ended, in order.
pub fn attempt_outcomes(event: &Value) -> Vec<&str> {
    let attempts = event["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap_or_default()).collect()
}
