//! JSON whose fields keep the order in which they were written.
//!
//! Real providers write `{"type":…` or `{"id":…` first. A parser under test may come to rely on an
//! order; it must not rely on one that only the simulation has.

use std::borrow::Cow;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A JSON value under construction.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Value(Value),
    Object(Vec<(Cow<'static, str>, Json)>),
    Array(Vec<Json>),
}

/// An object with its fields in the order given.
macro_rules! object {
    ($($key:literal : $value:expr),* $(,)?) => {
        $crate::provider::json::Json::Object(vec![
            $((::std::borrow::Cow::Borrowed($key), $crate::provider::json::Json::from($value))),*
        ])
    };
}

/// An array of anything that becomes JSON.
macro_rules! array {
    ($($value:expr),* $(,)?) => {
        $crate::provider::json::Json::Array(vec![$($crate::provider::json::Json::from($value)),*])
    };
}

pub(crate) use {array, object};

pub(crate) const NULL: Json = Json::Value(Value::Null);

impl Json {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Only a map with keys that are not strings or a failing writer makes serde_json fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Appends a field; does nothing to what is no object.
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Json>) -> Self {
        if let Json::Object(fields) = &mut self {
            fields.push((Cow::Borrowed(key), value.into()));
        }
        self
    }

    #[must_use]
    pub(crate) fn with_if(self, condition: bool, key: &'static str, value: impl FnOnce() -> Json) -> Self {
        if condition { self.with(key, value()) } else { self }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Value(value) => value.serialize(serializer),
            Json::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Json::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(item)?;
                }
                sequence.end()
            }
        }
    }
}

macro_rules! from_value {
    ($($type:ty),*) => { $(impl From<$type> for Json { fn from(value: $type) -> Self { Json::Value(Value::from(value)) } })* };
}
from_value!(&str, String, u64, u32, i64, i32, u16, usize, f64, bool, Value);

impl From<&String> for Json {
    fn from(value: &String) -> Self {
        Json::Value(Value::from(value.as_str()))
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(NULL, Into::into)
    }
}

impl From<Vec<Json>> for Json {
    fn from(value: Vec<Json>) -> Self {
        Json::Array(value)
    }
}
