//! Usage × price → cost: once a request, from the one normalised usage object, whatever protocol it came in.
//!
//! The parts are multiplied and added exactly, in millionths of a micro-unit, and the sum is rounded once, to the
//! nearest micro-unit (half of one goes up).

use tollgate_shared::money::{Cost, Currency, Money};

use crate::report::Tokens;

/// Prices are for so many tokens.
const TOKENS: i64 = 1_000_000;

/// What the tokens of a model cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    currency: Currency,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    input_audio: i64,
    output_audio: i64,
    input_image: i64,
}

/// Micro-units for a million tokens. What is absent has another's price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) cache_read: Option<i64>,
    pub(crate) cache_write_5m: Option<i64>,
    pub(crate) cache_write_1h: Option<i64>,
    pub(crate) input_audio: Option<i64>,
    pub(crate) output_audio: Option<i64>,
    pub(crate) input_image: Option<i64>,
}

impl Price {
    pub(crate) fn new(currency: Currency, rates: Rates) -> Self {
        let Rates { input, output, cache_read, cache_write_5m, cache_write_1h, input_audio, output_audio, input_image } =
            rates;
        let cache_write_5m = cache_write_5m.unwrap_or(input);
        Self {
            currency,
            input,
            output,
            cache_read: cache_read.unwrap_or(input),
            cache_write_5m,
            cache_write_1h: cache_write_1h.unwrap_or(cache_write_5m),
            input_audio: input_audio.unwrap_or(input),
            output_audio: output_audio.unwrap_or(output),
            input_image: input_image.unwrap_or(input),
        }
    }

    pub(crate) fn currency(&self) -> Currency {
        self.currency
    }

    /// What a request cost. Sound and pictures are parts of the input that came from no cache, and sound of the output;
    /// reasoning is output.
    pub(crate) fn cost(&self, tokens: &Tokens) -> Cost {
        let Tokens {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning: _,
            input_audio,
            output_audio,
            input_image,
            source: _,
            raw: _,
        } = *tokens;
        let audio = input_audio.min(input_uncached);
        let image = input_image.min(input_uncached - audio);
        let spoken = output_audio.min(output);
        let parts = [
            (input_uncached - audio - image, self.input),
            (audio, self.input_audio),
            (image, self.input_image),
            (cache_read, self.cache_read),
            (cache_write_5m, self.cache_write_5m),
            (cache_write_1h, self.cache_write_1h),
            (output - spoken, self.output),
            (spoken, self.output_audio),
        ];
        let exact: i128 = parts.into_iter().map(|(tokens, price)| i128::from(tokens) * i128::from(price)).sum();
        let amount = Money::from_micros(per_token(exact + i128::from(TOKENS / 2)));
        Cost { amount, currency: self.currency }
    }

    /// Micro-units for so much input and output, if all of it were text that came from no cache.
    pub(crate) fn usual(&self, input: u64, output: u64) -> i64 {
        upwards([(input, self.input), (output, self.output)])
    }

    /// Micro-units that so much input and output cost at most, whatever it is.
    pub(crate) fn dearest(&self, input: u64, output: u64) -> i64 {
        let inputs = [self.cache_read, self.cache_write_5m, self.cache_write_1h, self.input_audio, self.input_image];
        let dearest_input = inputs.into_iter().fold(self.input, i64::max);
        upwards([(input, dearest_input), (output, self.output.max(self.output_audio))])
    }

    #[cfg(test)]
    pub(crate) fn cost_of_input(&self, tokens: u64) -> i64 {
        self.usual(tokens, 0)
    }
}

fn upwards(parts: [(u64, i64); 2]) -> i64 {
    let exact: i128 = parts.into_iter().map(|(tokens, price)| i128::from(tokens) * i128::from(price)).sum();
    per_token(exact + i128::from(TOKENS - 1))
}

/// Rounded down.
fn per_token(exact: i128) -> i64 {
    match i64::try_from(exact) {
        // The usual case, without the long division of wide numbers.
        Ok(small) => small.div_euclid(TOKENS),
        Err(_) => i64::try_from(exact.div_euclid(i128::from(TOKENS))).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USD: Currency = Currency::USD;

    fn micros(price: &Price, tokens: &Tokens) -> i64 {
        price.cost(tokens).amount.micros()
    }

    #[test]
    fn each_part_has_its_own_price() {
        let price = Price::new(
            USD,
            Rates {
                input: 1_000_000,
                output: 10_000_000,
                cache_read: Some(100_000),
                cache_write_5m: Some(1_250_000),
                cache_write_1h: Some(2_000_000),
                input_audio: Some(30_000_000),
                output_audio: Some(70_000_000),
                input_image: Some(4_000_000),
            },
        );
        let tokens = Tokens {
            input_uncached: 100,
            cache_read: 1_000,
            cache_write_5m: 40,
            cache_write_1h: 20,
            output: 50,
            reasoning: 30,
            input_audio: 10,
            output_audio: 5,
            input_image: 20,
            ..Tokens::default()
        };
        // 70 + 300 + 80 + 100 + 50 + 40 + 450 + 350: reasoning is within the output.
        assert_eq!(micros(&price, &tokens), 1_440);
    }

    #[test]
    fn an_absent_part_has_anothers_price() {
        let price = Price::new(USD, Rates { input: 2_000_000, output: 8_000_000, ..Rates::default() });
        let part = |change: fn(&mut Tokens)| {
            let mut tokens = Tokens::default();
            change(&mut tokens);
            micros(&price, &tokens)
        };
        assert_eq!(part(|tokens| tokens.cache_read = 10), 20);
        assert_eq!(part(|tokens| tokens.cache_write_5m = 10), 20);
        assert_eq!(part(|tokens| tokens.cache_write_1h = 10), 20);
        assert_eq!(part(|tokens| (tokens.output, tokens.output_audio) = (10, 10)), 80);
        assert_eq!(part(|tokens| (tokens.input_uncached, tokens.input_audio) = (10, 4)), 20);
        let dear = Rates { input: 1, cache_write_5m: Some(3_000_000), ..Rates::default() };
        assert_eq!(micros(&Price::new(USD, dear), &Tokens { cache_write_1h: 10, ..Tokens::default() }), 30);
    }

    #[test]
    fn the_sum_is_rounded_once_and_half_goes_up() {
        let price = Price::new(USD, Rates { input: 150_000, output: 600_000, ..Rates::default() });
        let cost = |input_uncached, output| micros(&price, &Tokens { input_uncached, output, ..Tokens::default() });
        assert_eq!(cost(7, 0), 1);
        assert_eq!(cost(3, 0), 0);
        assert_eq!(cost(3, 1), 1);
        assert_eq!(cost(10, 0), 2);
        assert_eq!(cost(0, 0), 0);
    }

    proptest! {
        #[test]
        fn nothing_overflows_and_parts_beyond_the_whole_are_not_counted_twice(
            figures in any::<[u64; 9]>(),
            prices in proptest::array::uniform8(0..=1_000_000_000_000_i64),
        ) {
            let [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning, a, b, c] = figures;
            let tokens = Tokens {
                input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
                input_audio: a, output_audio: b, input_image: c, ..Tokens::default()
            };
            let [input, output_price, d, e, f, g, h, i] = prices;
            let rates = Rates {
                input, output: output_price, cache_read: Some(d), cache_write_5m: Some(e), cache_write_1h: Some(f),
                input_audio: Some(g), output_audio: Some(h), input_image: Some(i),
            };
            let price = Price::new(USD, rates);
            prop_assert!(micros(&price, &tokens) >= 0);
        }

        #[test]
        fn the_dearest_is_never_below_the_cost(
            figures in proptest::array::uniform6(0..1_000_000_u64),
            prices in proptest::array::uniform8(0..100_000_000_i64),
        ) {
            let [input_uncached, cache_read, cache_write_5m, output, a, b] = figures;
            let tokens = Tokens {
                input_uncached, cache_read, cache_write_5m, output, input_audio: a, output_audio: b, ..Tokens::default()
            };
            let [input, output_price, d, e, f, g, h, i] = prices;
            let rates = Rates {
                input, output: output_price, cache_read: Some(d), cache_write_5m: Some(e), cache_write_1h: Some(f),
                input_audio: Some(g), output_audio: Some(h), input_image: Some(i),
            };
            let price = Price::new(USD, rates);
            let prompt = input_uncached + cache_read + cache_write_5m;
            prop_assert!(price.dearest(prompt, output) >= micros(&price, &tokens));
        }
    }
}
