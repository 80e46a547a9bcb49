//! Query parameters of usage that are more than a word: everything in a query is a text.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

use crate::domain::usage::Dimension;

/// A number.
pub(super) fn number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom("must be a whole number that is not too large"))
}

/// Dimensions, separated by commas.
pub(super) fn dimensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Dimension>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut dimensions = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let dimension = word.parse().map_err(|error| D::Error::custom(format!("each {error}")))?;
        if dimensions.contains(&dimension) {
            return Err(D::Error::custom("must not repeat a dimension"));
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

/// No stored text has a NUL, and `PostgreSQL` takes none.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Microseconds as the milliseconds that the API shows, with three decimals.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 µs, which is 285 years")]
pub(super) fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}
