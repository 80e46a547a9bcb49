//! The text of a JSON document, read so that nobody could read it otherwise: of a member that stands there twice, some
//! readers take the first one and some the last, so it is refused at whatever depth.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::{domain::validation::Invalid, http::problem::Problem};

/// 400 where it is no JSON, 422 with the member's path where one is repeated.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Problem> {
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let document: Document = serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let parent = error.path().to_string();
        refusal(&parent, &error.into_inner())
    })?;
    text.end().map_err(|error| syntax(&error))?;
    Ok(document.0)
}

const REPEATED: &str = "repeated member ";

/// The error of a reader of any document: syntax alone, and what [`Document`] itself refuses.
fn refusal(parent: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    // serde_json adds where it was in the text.
    let name = message.strip_prefix(REPEATED).and_then(|rest| rest.rsplit_once(" at line ")).map(|(name, _)| name);
    match name {
        Some(name) if parent == "." => Invalid::field(name, "must not be repeated").into(),
        Some(name) => Invalid::field(format!("{parent}.{name}"), "must not be repeated").into(),
        None => syntax(error),
    }
}

fn syntax(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    Problem::malformed(format!("The body is not JSON (line {line}, column {column})."))
}

struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Document(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{REPEATED}{name}")));
            }
            let Document(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn repeated(text: &str) -> String {
        let problem = read(text.as_bytes()).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.slug), (422, "validation"), "{text}");
        assert_eq!(problem.errors[0].message, "must not be repeated");
        problem.errors[0].field.clone()
    }

    #[test]
    fn a_repeated_member_is_named_at_any_depth() {
        for (text, field) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"b":2,"\u0061":null}"#, "a"),
            (r#"{"a":{"a":{},"a":[]}}"#, "a.a"),
            (r#"{"a":[{"b":1},{"c":{"d":1,"d":2}}]}"#, "a[1].c.d"),
            (r#"{"":1,"":2}"#, ""),
            (r#"{" at line 1":1," at line 1":2}"#, " at line 1"),
        ] {
            assert_eq!(repeated(text), field, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{} {}", r#"{"a":1,}"#, r#"{"a":1 "a":2}"#, "1e999", r#""\ud800""#, &deep] {
            assert_eq!(read(text.as_bytes()).unwrap_err().status.as_u16(), 400, "{text:.20}");
        }
    }

    #[test]
    fn the_same_name_in_other_objects_is_another_member() {
        let text = r#"{"a":[{"a":1},{"a":-2.5}],"A":{"a":"x"}}"#;
        assert_eq!(read(text.as_bytes()).unwrap(), json!({"a": [{"a": 1}, {"a": -2.5}], "A": {"a": "x"}}));
    }

    fn documents() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        plain.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,2}", inner, 0..4).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_other_document_is_what_it_says(document in documents()) {
            let text = document.to_string();
            prop_assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
