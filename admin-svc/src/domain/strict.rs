//! A JSON document that is read as it is described: an object where an object is expected, a word where one of several
//! is. Serde's derived types also take an array for their fields in order, and an object for a word, which nobody who
//! writes an API's documents means.

use std::fmt::{self, Formatter};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, Expected, MapAccess, SeqAccess, Unexpected, Visitor, value::StringDeserializer},
};
use serde_json::{Error, Value, map};

/// Read by [`serde::Deserialize`] in the place of its value.
pub struct Strict(pub Value);

/// Handed on to the value, in which nothing else is nested.
macro_rules! plain {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.0.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    plain! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(elements) => visitor.visit_seq(Elements(elements.into_iter())),
            Value::Object(members) => visitor.visit_map(Members { rest: members.into_iter(), value: None }),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(elements) => visitor.visit_seq(Elements(elements.into_iter())),
            _ => Err(mistyped(&"a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members { rest: members.into_iter(), value: None }),
            _ => Err(mistyped(&"an object")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(StringDeserializer::new(word)),
            _ => Err(mistyped(&OneOf(words))),
        }
    }
}

/// What it was instead is not said: the caller knows, and nobody else is to.
fn mistyped(expected: &dyn Expected) -> Error {
    Error::invalid_type(Unexpected::Other("something else"), expected)
}

/// Said as serde says it of a word that is none of them.
struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            [only] => write!(formatter, "`{only}`"),
            [one, other] => write!(formatter, "`{one}` or `{other}`"),
            words => write!(formatter, "one of `{}`", words.join("`, `")),
        }
    }
}

struct Elements(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Elements {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|element| seed.deserialize(Strict(element))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members {
    rest: map::IntoIter,
    value: Option<Value>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(StringDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let value = self.value.take().ok_or_else(|| Error::custom("a value without its name"))?;
        seed.deserialize(Strict(value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Document {
        number: Option<u32>,
        inner: Option<Box<Document>>,
        list: Vec<Document>,
        named: BTreeMap<String, Document>,
        kind: Option<Kind>,
        pair: Option<(u8, String)>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Fast,
        Slow,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Day {
        Yesterday,
        Today,
        Tomorrow,
    }

    fn read(document: Value) -> Result<Document, String> {
        Document::deserialize(Strict(document)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_described_is_read() {
        let document = json!({"number": 1, "inner": {"list": [{"number": 2}, {}]}, "named": {"a": {"kind": "one"}},
            "pair": [1, "x"]});
        let read = read(document).unwrap();
        assert_eq!(read.inner.unwrap().list[0].number, Some(2));
        assert_eq!(read.named["a"].kind, Some(Kind::One));
        assert_eq!(read.pair, Some((1, "x".to_owned())));
    }

    #[test]
    fn an_array_is_no_object() {
        for document in [
            json!([1]),
            json!([]),
            json!({"inner": [1]}),
            json!({"list": [[1]]}),
            json!({"named": {"a": []}}),
            json!(5),
        ] {
            let error = read(document.clone()).unwrap_err();
            assert!(error.ends_with("expected an object"), "{document}: {error}");
        }
        assert!(read(json!({"list": {}})).unwrap_err().ends_with("expected a list"));
        assert!(read(json!({"number": "1"})).is_err());
    }

    #[test]
    fn an_object_is_no_word() {
        for kind in [json!({"one": null}), json!({}), json!(["one"]), json!(1)] {
            let error = read(json!({"kind": kind})).unwrap_err();
            assert!(error.ends_with("expected `one`"), "{kind}: {error}");
        }
    }

    #[test]
    fn what_is_no_word_is_told_the_words_like_a_wrong_one() {
        fn expected<T: std::fmt::Debug + for<'de> Deserialize<'de>>(document: Value) -> String {
            let error = T::deserialize(Strict(document)).unwrap_err().to_string();
            error.rsplit_once("expected ").unwrap().1.to_owned()
        }
        for [none, wrong] in [
            [expected::<Kind>(json!(1)), expected::<Kind>(json!("two"))],
            [expected::<Mode>(json!({"fast": null})), expected::<Mode>(json!("two"))],
            [expected::<Day>(json!([])), expected::<Day>(json!("two"))],
        ] {
            assert_eq!(none, wrong);
        }
    }
}
