//! Amounts of money: whole micro-units of a currency (1 USD = 1,000,000), never a float. In JSON a decimal string.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const MICROS_PER_UNIT: i64 = 1_000_000;

/// An amount in micro-units; its currency stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "12.50"))]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Debug, thiserror::Error)]
#[error("not an amount: a decimal number with at most 6 places, such as \"12.50\"")]
pub struct InvalidMoney;

impl Money {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let decimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !decimal(whole) || !decimal(fraction) || fraction.len() > 6 {
            return Err(InvalidMoney);
        }
        let whole: i64 = whole.parse().map_err(|_| InvalidMoney)?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| InvalidMoney)?;
        let micros = whole.checked_mul(MICROS_PER_UNIT).and_then(|micros| micros.checked_add(fraction));
        micros.map(|micros| Self(if negative { -micros } else { micros })).ok_or(InvalidMoney)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (whole, fraction) = (micros / MICROS_PER_UNIT.unsigned_abs(), micros % MICROS_PER_UNIT.unsigned_abs());
        let digits = format!("{fraction:06}");
        let significant = digits.trim_end_matches('0');
        write!(f, "{sign}{whole}.{significant:0<2}")
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_round_trips() {
        for (text, micros) in
            [("12.50", 12_500_000), ("0.00", 0), ("0.000001", 1), ("-3.25", -3_250_000), ("7.123456", 7_123_456)]
        {
            let money: Money = text.parse().unwrap();
            assert_eq!(money.micros(), micros);
            assert_eq!(money.to_string(), text);
        }
        assert_eq!("5".parse::<Money>().unwrap().to_string(), "5.00");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "1e3", "1,000", "NaN", "0.0000001", "--1", "+1", "99999999999999"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }
}
