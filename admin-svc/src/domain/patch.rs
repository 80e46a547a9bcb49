//! Partial updates as JSON merge patches (RFC 7396): absent = untouched, `null` = cleared, lists are replaced whole.
//!
//! A patch is laid over the resource's current `…Spec` and read back through the same strict type as a create, so
//! there is one definition of what a resource's fields are.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{strict::Strict, validation::Invalid};

/// The body of a `PATCH`.
#[derive(Clone, Debug, Default)]
pub struct Patch(pub Map<String, Value>);

impl Patch {
    /// Takes a field out that is not part of the spec (a secret, a password).
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field)
    }

    /// Whether it sets a field to something else than this text.
    pub fn changes(&self, field: &str, current: &str) -> bool {
        self.0.get(field).is_some_and(|value| value != current)
    }

    /// Clears a field of which it says nothing.
    pub fn default_to_null(&mut self, field: &str) {
        self.0.entry(field).or_insert(Value::Null);
    }

    /// `current` with the patch laid over it.
    pub fn apply<T: Serialize + DeserializeOwned>(self, current: &T) -> Result<T, Invalid> {
        let mut document = serde_json::to_value(current).map_err(|error| Invalid::field("", error.to_string()))?;
        let mut with_nulls = document.clone();
        merge(&mut with_nulls, Value::Object(self.0.clone()), Null::IsKept);
        merge(&mut document, Value::Object(self.0), Null::Clears);
        // To clear what does not exist is a mistake, too: the field was meant to have another name.
        match from_value::<T>(with_nulls) {
            Err(invalid) if invalid.0.iter().any(|error| error.message == UNKNOWN) => Err(invalid),
            _ => from_value(document),
        }
    }
}

const UNKNOWN: &str = "is not a field of this resource";
const UNKNOWN_PARAMETER: &str = "is not a parameter of this request";

/// What becomes of a field that is set to null.
#[derive(Clone, Copy)]
enum Null {
    Clears,
    /// It stays, as null, so that its name is looked at.
    IsKept,
}

/// Reads a document into its type; an error names the field by its path.
pub fn from_value<T: DeserializeOwned>(document: Value) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(Strict(document)).map_err(|error| {
        let path = error.path().to_string();
        describe(&path, &error.into_inner().to_string())
    })
}

/// Reads a query's parameters into their type, as [`from_value`] reads a document.
pub fn from_parameters<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T, Invalid> {
    from_value(Value::Object(parameters)).map_err(|mut invalid| {
        for error in invalid.0.iter_mut().filter(|error| error.message == UNKNOWN) {
            UNKNOWN_PARAMETER.clone_into(&mut error.message);
        }
        invalid
    })
}

/// Serde says of an unknown or a missing field only the parent's path; the field's name is in its message. What the
/// caller sent is not repeated: it may be a secret in the wrong place.
pub fn describe(path: &str, message: &str) -> Invalid {
    let parent = if path == "." { "" } else { path };
    let named = ["unknown field `", "missing field `"].iter().find_map(|start| message.strip_prefix(start));
    let field = match named.and_then(|rest| rest.split('`').next()) {
        // The path of an unknown field may end in the field itself already.
        Some(name) if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        Some(name) if parent.is_empty() => name.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None => parent.to_owned(),
    };
    Invalid::field(field, rephrase(message))
}

fn rephrase(message: &str) -> String {
    // serde_json adds where it was in the text.
    let message = message.split(" at line ").next().unwrap_or(message);
    let after = |start: &str, separator: &str| {
        message.starts_with(start).then(|| message.rsplit_once(separator).map(|(_, rest)| rest)).flatten()
    };
    if message.starts_with("missing field") {
        return "is required".to_owned();
    }
    if message.starts_with("unknown field") {
        return UNKNOWN.to_owned();
    }
    if message.starts_with("UUID parsing failed") {
        return "must be a UUID".to_owned();
    }
    let expected = after("unknown variant", ", expected ")
        .or_else(|| after("invalid type", ", expected "))
        .or_else(|| after("invalid value", ", expected "))
        .or_else(|| after("invalid length", ", expected "));
    expected.map_or_else(|| message.to_owned(), |expected| format!("must be {}", in_plain_words(expected)))
}

/// Serde names some types as Rust does.
fn in_plain_words(expected: &str) -> Cow<'_, str> {
    let up_to = |largest: u32| Cow::Owned(format!("a whole number from 0 to {largest}"));
    match expected {
        "u8" => up_to(u8::MAX.into()),
        "u16" => up_to(u16::MAX.into()),
        "u32" => up_to(u32::MAX),
        "u64" | "usize" => "a whole number from 0 on".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a formatted UUID string" => "a UUID".into(),
        other => other.into(),
    }
}

fn merge(target: &mut Value, patch: Value, null: Null) {
    let Value::Object(changes) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        match null {
            Null::Clears if change.is_null() => drop(fields.remove(&name)),
            Null::Clears | Null::IsKept => merge(fields.entry(name).or_insert(Value::Null), change, null),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(default)]
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        a: Option<u32>,
        #[serde(default)]
        b: Option<u32>,
    }

    fn current() -> Outer {
        Outer { name: "n".into(), note: Some("x".into()), inner: Inner { a: Some(1), b: Some(2) } }
    }

    fn patched(patch: Value) -> Result<Outer, Invalid> {
        let Value::Object(fields) = patch else { panic!("not an object") };
        Patch(fields).apply(&current())
    }

    fn refused(patch: Value) -> String {
        patched(patch).unwrap_err().0[0].field.clone()
    }

    #[test]
    fn absent_is_untouched_and_null_clears() {
        assert_eq!(patched(json!({})).unwrap(), current());
        assert_eq!(patched(json!({"note": null})).unwrap(), Outer { note: None, ..current() });
        let inner = Inner { a: None, b: Some(3) };
        assert_eq!(patched(json!({"inner": {"a": null, "b": 3}})).unwrap(), Outer { inner, ..current() });
        assert_eq!(patched(json!({"inner": null})).unwrap(), Outer { inner: Inner::default(), ..current() });
    }

    #[test]
    fn refusals_name_the_field() {
        assert_eq!(refused(json!({"name": null})), "name");
        assert_eq!(refused(json!({"name": 1})), "name");
        assert_eq!(refused(json!({"surname": "x"})), "surname");
        assert_eq!(refused(json!({"surname": null})), "surname");
        assert_eq!(refused(json!({"inner": {"c": null}})), "inner.c");
        assert_eq!(refused(json!({"inner": [1, 2]})), "inner");
        assert_eq!(refused(json!({"inner": []})), "inner");
        assert_eq!(refused(json!({"inner": {"c": 1}})), "inner.c");
        assert_eq!(refused(json!({"inner": {"a": "one"}})), "inner.a");
    }

    #[test]
    fn refusals_are_in_plain_words() {
        let said = |patch: Value| patched(patch).unwrap_err().0[0].message.clone();
        for number in [json!("one"), json!(-1), json!(1.5), json!(1e30), json!(4_294_967_296_u64), json!(true)] {
            let message = said(json!({"inner": {"a": number}}));
            assert_eq!(message, "must be a whole number from 0 to 4294967295", "{number}");
        }
        assert_eq!(said(json!({"inner": "x"})), "must be an object");
        assert_eq!(said(json!({"name": 5})), "must be a string");
        assert_eq!(in_plain_words("u64"), "a whole number from 0 on");
        assert_eq!(in_plain_words("one of `a`, `b`"), "one of `a`, `b`");
    }

    #[test]
    fn refusals_do_not_repeat_what_was_sent() {
        let invalid = patched(json!({"inner": {"a": "sk-canary, expected one"}})).unwrap_err();
        assert!(!invalid.0[0].message.contains("canary"), "{invalid:?}");
    }
}
