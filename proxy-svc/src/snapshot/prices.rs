//! Which price is a model's: the provider's own before anybody's, the exact name before a pattern, the pattern with the
//! most characters before a shorter one. Laid out once, when the snapshot is built.

use std::{cmp::Reverse, collections::HashMap};

use tollgate_shared::ids::{PriceId, ProviderId};

use crate::{meter::price::Price, route::pattern::Pattern};

/// A price, and what it is the price of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PriceSpec {
    pub id: PriceId,
    /// Absent: any.
    pub provider_id: Option<ProviderId>,
    pub model: Pattern,
    pub price: Price,
}

/// What models cost.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    any: Table,
    own: HashMap<ProviderId, Table>,
}

#[derive(Debug, Default)]
struct Table {
    exact: HashMap<Box<str>, Price>,
    /// The most specific first.
    patterns: Vec<(Pattern, Price)>,
}

impl Prices {
    pub(super) fn new<'a>(specs: impl Iterator<Item = &'a PriceSpec>) -> Self {
        let mut prices = Self::default();
        for spec in specs {
            let table = match spec.provider_id {
                Some(provider) => prices.own.entry(provider).or_default(),
                None => &mut prices.any,
            };
            match spec.model.exact_name() {
                Some(name) => drop(table.exact.insert(name.into(), spec.price)),
                None => table.patterns.push((spec.model.clone(), spec.price)),
            }
        }
        for table in prices.own.values_mut().chain([&mut prices.any]) {
            table.patterns.sort_by_cached_key(|(pattern, _)| {
                let text = pattern.as_str();
                (Reverse(text.chars().filter(|character| *character != '*').count()), text.to_owned())
            });
        }
        prices
    }

    /// What a provider's model costs, by the provider's own name of it; `None` while nobody said.
    pub(crate) fn of(&self, provider: ProviderId, model: &str) -> Option<&Price> {
        self.own.get(&provider).and_then(|table| table.of(model)).or_else(|| self.any.of(model))
    }
}

impl Table {
    fn of(&self, model: &str) -> Option<&Price> {
        let pattern = || self.patterns.iter().find(|(pattern, _)| pattern.matches(model));
        self.exact.get(model).or_else(|| pattern().map(|(_, price)| price))
    }
}

#[cfg(test)]
mod tests {
    use tollgate_shared::money::Currency;

    use super::*;
    use crate::meter::price::Rates;

    fn spec(provider_id: Option<ProviderId>, model: &str, input: i64) -> PriceSpec {
        let rates = Rates { input, ..Rates::default() };
        PriceSpec {
            id: PriceId::generate(),
            provider_id,
            model: Pattern::parse(model).unwrap(),
            price: Price::new(Currency::USD, rates),
        }
    }

    #[test]
    fn the_most_specific_price_wins() {
        let (here, there) = (ProviderId::generate(), ProviderId::generate());
        let specs = [
            spec(None, "*", 1),
            spec(None, "gpt-4.1", 2),
            spec(None, "gpt-4*", 3),
            spec(Some(here), "gpt-*", 4),
            spec(Some(here), "*-mini", 5),
            spec(Some(here), "gpt-4.1-mini", 6),
            spec(None, "gpt-4.1-n*", 7),
        ];
        // Not by their order.
        for specs in [specs.clone(), {
            let mut turned = specs;
            turned.reverse();
            turned
        }] {
            let prices = Prices::new(specs.iter());
            let input = |provider, model| prices.of(provider, model).map(|price| price.cost_of_input(1_000_000));
            assert_eq!(input(here, "gpt-4.1-mini"), Some(6), "its own exact name");
            assert_eq!(input(here, "gpt-5-mini"), Some(5), "its own longest pattern");
            assert_eq!(input(here, "gpt-4.1"), Some(4), "its own pattern before anybody's exact name");
            assert_eq!(input(there, "gpt-4.1"), Some(2));
            assert_eq!(input(there, "gpt-4.1-nano"), Some(7));
            assert_eq!(input(there, "gpt-4o"), Some(3));
            assert_eq!(input(there, "claude"), Some(1));
        }
        assert!(Prices::default().of(here, "gpt-4.1").is_none());
    }
}
