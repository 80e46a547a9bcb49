//! The words of JSON Schema that the subset knows, and what they say about types.

use crate::json::{Kind, Value};

/// What a schema and all that must hold with it say about types.
#[derive(Default)]
pub(super) struct Types {
    pub(super) words: Vec<&'static str>,
    pub(super) is_nullable: bool,
}

/// Taken as they are.
pub(super) const CONSTRAINTS: &[&str] = &[
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "pattern",
];

/// Written, or put in place, elsewhere.
pub(super) const HANDLED: &[&str] = &[
    "type",
    "title",
    "description",
    "enum",
    "const",
    "format",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "definitions",
    "properties",
    "required",
    "items",
    "prefixItems",
];

/// Without them the same is asked for.
pub(super) const HARMLESS: &[&str] =
    &["$schema", "$id", "$anchor", "$comment", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"];

impl Types {
    pub(super) fn of(parts: &[Value<'_>], alternatives: &mut Vec<Value<'_>>) -> Self {
        let mut types = Self::default();
        let before = alternatives.len();
        alternatives.retain(|schema| !is_null_alone(*schema));
        types.is_nullable = alternatives.len() < before;
        let Some(found) = parts.iter().find_map(|part| part.get("type")) else { return types };
        let words: Vec<_> = match found.kind() {
            Kind::Array => found.elements().filter_map(Value::string).collect(),
            _ => found.string().into_iter().collect(),
        };
        for word in words {
            match &*word {
                "string" => types.words.push("STRING"),
                "number" => types.words.push("NUMBER"),
                "integer" => types.words.push("INTEGER"),
                "boolean" => types.words.push("BOOLEAN"),
                "array" => types.words.push("ARRAY"),
                "object" => types.words.push("OBJECT"),
                "null" => types.is_nullable = true,
                _ => {}
            }
        }
        types
    }
}

fn is_null_alone(schema: Value<'_>) -> bool {
    schema.members().any(|(name, value)| match &*name {
        "type" => value.string().is_some_and(|word| word == "null"),
        "const" => value.is_null(),
        _ => false,
    })
}

/// The type of a schema that does not say it.
pub(super) fn implied(parts: &[Value<'_>], enumeration: &[Value<'_>]) -> Option<&'static str> {
    let has = |name: &str| parts.iter().any(|part| part.get(name).is_some());
    match enumeration.first().map(|value| value.kind()) {
        Some(Kind::String) => return Some("STRING"),
        Some(Kind::Number) => return Some("NUMBER"),
        Some(Kind::Boolean) => return Some("BOOLEAN"),
        _ => {}
    }
    if has("properties") {
        Some("OBJECT")
    } else if has("items") || has("prefixItems") {
        Some("ARRAY")
    } else {
        None
    }
}
