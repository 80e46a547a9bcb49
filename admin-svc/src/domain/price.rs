//! What the tokens of a model cost. Prices are the operator's: none is built in.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use tollgate_shared::{
    ids::{PriceId, ProviderId},
    money::{Currency, InvalidMoney, Money},
};

use super::{
    stamp::Stamp,
    validation::{Invalid, Violations},
};

/// For a million tokens; far above any provider's, and small enough that no cost overflows.
const HIGHEST: Money = Money::from_micros(1_000_000 * 1_000_000);
const OUT_OF_RANGE: &str = "must be 0 to 1000000";

/// What a caller may write. Amounts are for a million tokens, as decimal texts with at most 6 places.
///
/// Which price is a request's: one for its provider before one for any, then the exact name, then the pattern with the
/// most characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSpec {
    /// Absent: any provider.
    #[serde(default)]
    pub provider_id: Option<ProviderId>,
    /// The upstream's name of the model; `*` stands for any run of characters. Unique for the provider.
    #[schema(example = "gpt-4.1*")]
    pub model: String,
    /// The installation's, which is also what it is when left out.
    #[serde(default)]
    #[schema(example = "USD")]
    pub currency: Option<String>,
    /// The prompt, as far as nothing below is about it.
    #[schema(example = "2.00")]
    #[serde(deserialize_with = "rate")]
    pub input: Money,
    /// The answer, reasoning included.
    #[schema(example = "8.00")]
    #[serde(deserialize_with = "rate")]
    pub output: Money,
    /// Read from a cache; absent = as `input`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub cache_read: Option<Money>,
    /// Written to a cache for five minutes; absent = as `input`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub cache_write_5m: Option<Money>,
    /// Written to a cache for an hour; absent = as `cache_write_5m`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub cache_write_1h: Option<Money>,
    /// Absent = as `input`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub input_audio: Option<Money>,
    /// Absent = as `output`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub output_audio: Option<Money>,
    /// Absent = as `input`.
    #[serde(default, deserialize_with = "optional_rate")]
    pub input_image: Option<Money>,
}

impl PriceSpec {
    /// The spec with its currency, which must be the installation's.
    pub fn validated(mut self, accounting: Currency) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.model("model", &self.model);
        let currency = self.currency.get_or_insert_with(|| accounting.to_string());
        if currency != accounting.as_str() {
            violations.add("currency", format!("must be {accounting}: this installation accounts in it"));
        }
        for (field, amount) in [
            ("input", Some(self.input)),
            ("output", Some(self.output)),
            ("cache_read", self.cache_read),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("input_audio", self.input_audio),
            ("output_audio", self.output_audio),
            ("input_image", self.input_image),
        ] {
            let fits = amount.is_none_or(|amount| (Money::default()..=HIGHEST).contains(&amount));
            violations.require(fits, field, OUT_OF_RANGE);
        }
        violations.finish().map(|()| self)
    }
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    parsed(&String::deserialize(deserializer)?)
}

fn optional_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    Option::<String>::deserialize(deserializer)?.as_deref().map(parsed).transpose()
}

/// What is too large for any amount is told the largest price.
fn parsed<E: Error>(text: &str) -> Result<Money, E> {
    text.parse().map_err(|error| match error {
        InvalidMoney::TooLarge => E::custom(OUT_OF_RANGE),
        InvalidMoney::Malformed => E::custom(error),
    })
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Price {
    pub id: PriceId,
    #[serde(flatten)]
    pub spec: PriceSpec,
    #[serde(flatten)]
    pub stamp: Stamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::patch::from_value;

    fn checked(change: &Value) -> Result<PriceSpec, Invalid> {
        let mut price = json!({"model": "gpt-*", "input": "2", "output": "8.00"});
        price.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        from_value::<PriceSpec>(price)?.validated(Currency::USD)
    }

    #[test]
    fn a_price_gets_the_currency_of_the_installation() {
        let price = checked(&json!({"cache_read": "0.075"})).unwrap();
        assert_eq!(price.currency.as_deref(), Some("USD"));
        assert_eq!((price.input.micros(), price.cache_read.unwrap().micros()), (2_000_000, 75_000));
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (field, change) in [
            ("currency", json!({"currency": "EUR"})),
            ("currency", json!({"currency": "usd"})),
            ("model", json!({"model": ""})),
            ("model", json!({"model": "a b"})),
            ("input", json!({"input": "-1"})),
            ("input", json!({"input": 2.5})),
            ("output", json!({"output": "1000000.01"})),
            ("output", json!({"output": null})),
            ("input_audio", json!({"input_audio": "0.0000001"})),
            ("tokens", json!({"tokens": "1"})),
        ] {
            let Invalid(errors) = checked(&change).unwrap_err();
            assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field], "{change}");
        }
    }

    #[test]
    fn what_is_too_large_is_told_the_largest_price() {
        for amount in ["1000000.000001", "9999999999999", "99999999999999999999"] {
            for field in ["input", "cache_read"] {
                let Invalid(errors) = checked(&json!({field: amount})).unwrap_err();
                assert_eq!(errors[0].message, "must be 0 to 1000000", "{field} {amount}");
            }
        }
        assert_eq!(checked(&json!({"cache_read": null})).unwrap().cache_read, None);
    }
}
