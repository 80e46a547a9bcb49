//! Prices and budgets.

use tollgate_proto as proto;
use tollgate_shared::{
    limits::{LeaseMode, Period},
    money::{Currency, InvalidCurrency, Money},
};

use super::{FieldError, parse_id, parse_pattern};
use crate::{
    meter::price::{Price, Rates},
    snapshot::{Budget, prices::PriceSpec},
};

/// For a million tokens: the control plane takes no higher one.
const MAX_RATE_MICROS: i64 = 1_000_000_000_000;

impl TryFrom<proto::Price> for PriceSpec {
    type Error = FieldError;

    fn try_from(message: proto::Price) -> Result<Self, FieldError> {
        let proto::Price {
            id,
            provider_id,
            model,
            currency,
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            input_audio,
            output_audio,
            input_image,
        } = message;
        let rates = Rates {
            input: convert_rate("input", input)?,
            output: convert_rate("output", output)?,
            cache_read: cache_read.map(|rate| convert_rate("cache_read", rate)).transpose()?,
            cache_write_5m: cache_write_5m.map(|rate| convert_rate("cache_write_5m", rate)).transpose()?,
            cache_write_1h: cache_write_1h.map(|rate| convert_rate("cache_write_1h", rate)).transpose()?,
            input_audio: input_audio.map(|rate| convert_rate("input_audio", rate)).transpose()?,
            output_audio: output_audio.map(|rate| convert_rate("output_audio", rate)).transpose()?,
            input_image: input_image.map(|rate| convert_rate("input_image", rate)).transpose()?,
        };
        Ok(Self {
            id: parse_id("id", &id)?,
            provider_id: provider_id.map(|id| parse_id("provider_id", &id)).transpose()?,
            model: parse_pattern(&model).map_err(|message| FieldError::new("model", message))?,
            price: Price::new(parse_currency("currency", &currency)?, rates),
        })
    }
}

/// The bound keeps every cost of a possible request within its type.
fn convert_rate(field: &str, micros: i64) -> Result<i64, FieldError> {
    if (0..=MAX_RATE_MICROS).contains(&micros) { Ok(micros) } else { Err(FieldError::new(field, "out of range")) }
}

pub(super) fn convert_budget(message: Option<proto::Budget>) -> Result<Option<Budget>, FieldError> {
    let Some(message) = message else { return Ok(None) };
    let period = match message.period() {
        proto::BudgetPeriod::Day => Period::Day,
        proto::BudgetPeriod::Week => Period::Week,
        proto::BudgetPeriod::Month => Period::Month,
        proto::BudgetPeriod::Total => Period::Total,
        proto::BudgetPeriod::Unspecified => return Err(FieldError::new("budget.period", "not a known period")),
    };
    let proto::Budget { amount_micros, currency, period: _, hard, single } = message;
    if amount_micros < 0 {
        return Err(FieldError::new("budget.amount_micros", "must not be below 0"));
    }
    Ok(Some(Budget {
        amount: Money::from_micros(amount_micros),
        currency: parse_currency("budget.currency", &currency)?,
        period,
        hard,
        lease: if single { LeaseMode::Single } else { LeaseMode::Ahead },
    }))
}

fn parse_currency(field: &str, text: &str) -> Result<Currency, FieldError> {
    text.parse().map_err(|error: InvalidCurrency| FieldError::new(field, error.to_string()))
}
