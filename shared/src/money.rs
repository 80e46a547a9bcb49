//! Amounts of money: whole micro-units of a currency (1 USD = 1,000,000), never a float. In JSON a decimal string.
//!
//! What they are amounts of is a [`Currency`]; the two together are a [`Cost`]. Nothing here converts one currency into
//! another: an installation accounts in one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const MICROS_PER_UNIT: i64 = 1_000_000;

/// An amount in micro-units; its currency stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "12.50"))]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    #[error("not an amount: a decimal number with at most 6 places, such as \"12.50\"")]
    Malformed,
    #[error("too large: an amount is at most {}", Money::MOST)]
    TooLarge,
}

impl Money {
    /// Beyond it nothing can be counted.
    pub const MOST: Self = Self(i64::MAX);

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
            return Err(InvalidMoney::Malformed);
        }
        // Only digits are left, so what does not parse is too large.
        let whole: i64 = whole.parse().map_err(|_| InvalidMoney::TooLarge)?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| InvalidMoney::Malformed)?;
        let micros = whole.checked_mul(MICROS_PER_UNIT).and_then(|micros| micros.checked_add(fraction));
        micros.map(|micros| Self(if negative { -micros } else { micros })).ok_or(InvalidMoney::TooLarge)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (whole, fraction) = (micros / MICROS_PER_UNIT.unsigned_abs(), micros % MICROS_PER_UNIT.unsigned_abs());
        // Six digits behind a one that is not shown; zeros at the end are not either, but for those of cents.
        let padded = MICROS_PER_UNIT.unsigned_abs() + fraction;
        let mut buffer = itoa::Buffer::new();
        let digits = &buffer.format(padded)[1..];
        let shown = digits.trim_end_matches('0').len().max(2);
        f.write_str(sign)?;
        f.write_str(itoa::Buffer::new().format(whole))?;
        f.write_str(".")?;
        f.write_str(&digits[..shown])
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

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is not a currency.
#[derive(Debug, thiserror::Error)]
#[error("must be a currency's three capital letters, such as USD")]
pub struct InvalidCurrency;

impl Currency {
    pub const USD: Self = Self(*b"USD");

    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }

    pub fn from_bytes(letters: [u8; 3]) -> Result<Self, InvalidCurrency> {
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(InvalidCurrency) }
    }

    pub fn as_str(&self) -> &str {
        // They are capital letters.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        text.as_bytes().try_into().map_err(|_| InvalidCurrency).and_then(Self::from_bytes)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What something cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub amount: Money,
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().to_string(), "EUR");
        for text in ["", "eur", "EURO", "EU", "EÜ", "U5D"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }

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
        for text in ["", ".", "1.", ".5", "1e3", "1,000", "NaN", "0.0000001", "--1", "+1"] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney::Malformed), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_told_so_with_the_largest() {
        for text in ["9223372036854.775808", "99999999999999", "99999999999999999999999"] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney::TooLarge), "{text}");
        }
        let largest = "9223372036854.775807";
        assert_eq!(largest.parse::<Money>(), Ok(Money::MOST));
        assert_eq!(InvalidMoney::TooLarge.to_string(), format!("too large: an amount is at most {largest}"));
    }
}
