//! The part of `OpenAPI` schema that `parameters` and `responseSchema` take. Full JSON schema has fields of its own.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::members::snake;
use super::{field, invalid};

const TYPES: [&str; 7] = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];
const KEYWORDS: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// `at` is the path of the schema, in snake case.
pub(super) fn check(schema: &Value, at: &str) -> Result<(), ApiError> {
    let Some(fields) = schema.as_object() else {
        return Err(invalid(format!(
            "Invalid value at '{at}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Schema)"
        )));
    };
    let known = |name: &str| KEYWORDS.iter().any(|keyword| *keyword == name || snake(keyword) == name);
    if let Some(name) = fields.keys().find(|name| !known(name)) {
        return Err(invalid(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."
        )));
    }
    let kind = match fields.get("type") {
        None => None,
        Some(Value::String(kind)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind)) => {
            Some(kind.to_ascii_uppercase())
        }
        Some(Value::Array(_)) => {
            return Err(invalid(format!("Proto field is not repeating, cannot start list. at '{at}.type'")));
        }
        Some(other) => {
            return Err(invalid(format!(
                "Invalid value at '{at}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), {other}"
            )));
        }
    };
    words(schema, kind.as_deref(), at)?;
    if kind.as_deref() == Some("ARRAY") && !fields.contains_key("items") {
        return Err(invalid(format!("* GenerateContentRequest.{at}.items: missing field.\n")));
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        check(inner, &format!("{at}.properties[{name}]"))?;
    }
    for (index, name) in fields.get("required").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if !name.as_str().is_some_and(|name| properties.is_some_and(|all| all.contains_key(name))) {
            return Err(invalid(format!("* GenerateContentRequest.{at}.required[{index}]: property is not defined\n")));
        }
    }
    for (index, inner) in field(schema, "anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check(inner, &format!("{at}.any_of[{index}]"))?;
    }
    fields.get("items").map_or(Ok(()), |items| check(items, &format!("{at}.items")))
}

/// An enumeration is one of words.
fn words(schema: &Value, kind: Option<&str>, at: &str) -> Result<(), ApiError> {
    let Some(values) = schema.get("enum").filter(|values| !values.is_null()) else { return Ok(()) };
    let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(index) = values.iter().position(|value| !value.is_string()) {
        return Err(invalid(format!("Invalid value at '{at}.enum[{index}]' (TYPE_STRING), {}", values[index])));
    }
    if values.iter().any(|value| value == "") {
        return Err(invalid(format!("* GenerateContentRequest.{at}.enum[0]: cannot be empty\n")));
    }
    if kind.is_some_and(|kind| kind != "STRING") {
        return Err(invalid(format!("* GenerateContentRequest.{at}.enum: only allowed for STRING type\n")));
    }
    Ok(())
}
