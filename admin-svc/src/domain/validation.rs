//! Collects what is wrong with a resource, field by field, and holds the rules that several resources share.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use tollgate_shared::limits::{Budget, Limits, Timeouts};
use tollgate_shared::money::Money;

/// The largest integer that every JSON reader keeps exactly.
const LARGEST_INTEGER: u64 = (1 << 53) - 1;
const LONGEST_NAME: usize = 100;
const LONGEST_MODEL: usize = 200;
const MOST_PATTERNS: usize = 200;
const MOST_NETWORKS: usize = 1_000;

/// What was wrong with one field. `field` is a path such as `routes[0].targets[1].pool_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// Everything that is wrong with what a caller sent; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid: {}", .0.iter().map(|error| error.field.as_str()).collect::<Vec<_>>().join(", "))]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![FieldError { field: field.into(), message: message.into() }])
    }
}

/// Collects violations; [`Violations::finish`] is `Ok` when there are none.
#[derive(Debug, Default)]
pub struct Violations(Vec<FieldError>);

impl Violations {
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), message: message.into() });
    }

    /// Adds the message unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    pub fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid(self.0)) }
    }

    /// A name for people: 1 to 100 characters, none of them a control character.
    pub fn name(&mut self, field: &str, name: &str) {
        let length = name.chars().count();
        self.require((1..=LONGEST_NAME).contains(&length), field, "must have 1 to 100 characters");
        self.require(name.trim() == name, field, "must not start or end with a blank");
        self.require(!name.chars().any(char::is_control), field, "must not have control characters");
    }

    pub fn limits(&mut self, field: &str, limits: &Limits) {
        let Limits { rpm, tpm, rpd, concurrency } = limits;
        for (name, limit) in [("rpm", rpm), ("tpm", tpm), ("rpd", rpd), ("concurrency", concurrency)] {
            let field = format!("{field}.{name}");
            self.require(limit.is_none_or(|limit| limit >= 1), &field, "must be at least 1; leave it out for no limit");
            self.require(limit.is_none_or(|limit| limit <= LARGEST_INTEGER), &field, "must not be above 2^53 - 1");
        }
    }

    pub fn timeouts(&mut self, field: &str, timeouts: &Timeouts) {
        let Timeouts { connect_ms, first_byte_ms, idle_ms, total_ms } = timeouts;
        let each = [
            ("connect_ms", connect_ms),
            ("first_byte_ms", first_byte_ms),
            ("idle_ms", idle_ms),
            ("total_ms", total_ms),
        ];
        for (name, timeout) in each {
            self.require(timeout.is_none_or(|ms| ms >= 1), &format!("{field}.{name}"), "must be at least 1");
        }
    }

    pub fn budget(&mut self, field: &str, budget: Option<&Budget>) {
        let Some(Budget { amount, currency, .. }) = budget else { return };
        self.require(*amount > Money::default(), &format!("{field}.amount"), "must be more than 0");
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        self.require(is_code, &format!("{field}.currency"), "must be a currency's three capital letters, such as USD");
    }

    /// A model's name, or a pattern with `*`.
    pub fn model(&mut self, field: &str, model: &str) {
        let length = model.chars().count();
        self.require((1..=LONGEST_MODEL).contains(&length), field, "must have 1 to 200 characters");
        let printable = !model.chars().any(|character| character.is_control() || character.is_whitespace());
        self.require(printable, field, "must not have blanks or control characters");
    }

    pub fn models(&mut self, field: &str, models: &[String]) {
        self.require(models.len() <= MOST_PATTERNS, field, "must not have more than 200 entries");
        for (index, model) in models.iter().enumerate() {
            self.model(&format!("{field}[{index}]"), model);
        }
    }

    /// Networks in CIDR notation, or single addresses; rewritten to the networks that they stand for.
    pub fn networks(&mut self, field: &str, networks: &mut [String]) {
        self.require(networks.len() <= MOST_NETWORKS, field, "must not have more than 1000 entries");
        for (index, network) in networks.iter_mut().enumerate() {
            match parse_network(network) {
                Some(parsed) => *network = parsed.to_string(),
                None => self.add(
                    format!("{field}[{index}]"),
                    "must be a network in CIDR notation, such as 10.0.0.0/8, or an address",
                ),
            }
        }
    }
}

/// Bits of an IPv6 address before the IPv4 address that it stands for.
const MAPPED_BITS: u8 = 96;

/// What is written in IPv6's way of writing IPv4 is IPv4: so addresses are compared.
fn parse_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
        None => (text.parse().ok()?, None),
    };
    let (address, bits) = match (address.to_canonical(), bits) {
        (mapped, Some(bits)) if mapped != address => (mapped, Some(bits.checked_sub(MAPPED_BITS)?)),
        (address, bits) => (address, bits),
    };
    let network = bits.map_or(Ok(IpNet::from(address)), |bits| IpNet::new(address, bits));
    network.ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests;
