//! Lists of models, and single ones, in each protocol's shape.
//!
//! The gateway answers these itself: what a caller may call is its own knowledge, no provider's. It knows names and
//! nothing else of a model, so what a shape must have besides is given as unknown, never guessed.

use std::borrow::Cow;

use crate::Protocol;
use crate::endpoint::query;

/// A query parameter that is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {what}")]
pub struct InvalidParameter {
    pub name: &'static str,
    pub what: &'static str,
}

/// One page of a list, as the request's query asks for it. `names` are in order, each once.
pub fn list(protocol: Protocol, names: &[&str], query: &str) -> Result<Vec<u8>, InvalidParameter> {
    protocol.dialect().models(names, query)
}

/// One model.
pub fn one(protocol: Protocol, name: &str) -> Vec<u8> {
    protocol.dialect().model(name)
}

/// The number in a parameter; `None` when it is absent or empty.
pub(crate) fn number(query_text: &str, name: &'static str) -> Result<Option<usize>, InvalidParameter> {
    match text(query_text, name) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| InvalidParameter { name, what: "must be a whole number" }),
    }
}

/// A parameter that is there and not empty.
pub(crate) fn text<'q>(query_text: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query::parameter(query_text, name).filter(|value| !value.is_empty())
}

/// The names after this one. It need not be among them: lists change between two pages.
pub(crate) fn after<'a, 'n>(names: &'a [&'n str], name: &str) -> &'a [&'n str] {
    &names[names.partition_point(|candidate| *candidate <= name)..]
}

/// The names before this one.
pub(crate) fn before<'a, 'n>(names: &'a [&'n str], name: &str) -> &'a [&'n str] {
    &names[..names.partition_point(|candidate| *candidate < name)]
}

#[cfg(test)]
mod tests;
