//! Schemas of tools and answers, for targets that want JSON Schema.
//!
//! Gemini's callers may write them in a dialect of their own (a part of OpenAPI 3.0): types in capitals, `nullable`,
//! names of members in either case, counts in strings. All others take JSON Schema, and every writer of tools and
//! answer formats has to come through here.

use std::borrow::Cow;

use crate::json::write::{Array, Object};
use crate::json::{Kind, Value};

use super::read::camel_case;

/// Writes a schema under `name`: as it is, or what it means in JSON Schema when it is in Gemini's dialect.
pub(crate) fn write_json_schema(object: &mut Object<'_>, name: &str, schema: Value<'_>, is_openapi: bool) {
    if is_openapi {
        write(schema, object.slot(name));
    } else {
        object.value(name, schema);
    }
}

/// The same as a text, for what has to be looked into or told in words.
pub(crate) fn json_schema(schema: Value<'_>, is_openapi: bool) -> Cow<'_, str> {
    if !is_openapi {
        return Cow::Borrowed(schema.raw());
    }
    let mut out = Vec::new();
    write(schema, &mut out);
    Cow::Owned(String::from_utf8(out).unwrap_or_default())
}

/// A value is at most 127 containers deep, so that this is too.
fn write(schema: Value<'_>, out: &mut Vec<u8>) {
    if schema.kind() != Kind::Object {
        out.extend_from_slice(schema.raw().as_bytes());
        return;
    }
    let is_nullable = schema.get("nullable").and_then(Value::boolean) == Some(true);
    let has_type = schema.get("type").is_some();
    let (mut is_object, mut has_members) = (false, false);
    let mut object = Object::begin(out);
    for (name, value) in schema.members() {
        if value.is_null() {
            continue;
        }
        let name = camel_case(name);
        match &*name {
            "type" => is_object |= write_type(value, is_nullable, &mut object),
            // Not of JSON Schema: said with the type, or a hint that the order of the properties gives too.
            "nullable" | "propertyOrdering" => {}
            "format" if is_openapi_format(value) => {}
            "enum" if is_nullable && value.kind() == Kind::Array => {
                let mut array = object.array("enum");
                value.elements().for_each(|element| _ = array.value(element));
                array.value(Value::NULL);
            }
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                write_count(&name, value, &mut object);
            }
            "properties" | "defs" | "$defs" | "definitions" => {
                has_members |= name == "properties";
                write_map(if name == "defs" { "$defs" } else { &name }, value, &mut object);
            }
            "items" | "additionalProperties" => {
                has_members |= name == "additionalProperties";
                write(value, object.slot(&name));
            }
            "anyOf" | "prefixItems" => {
                let mut array = object.array(&name);
                value.elements().for_each(|element| write(element, array.slot()));
                if name == "anyOf" && is_nullable && !has_type {
                    array.object().string("type", "null");
                }
            }
            "ref" => _ = object.value("$ref", value),
            name => object.slot(name).extend_from_slice(value.raw().as_bytes()),
        }
    }
    // OpenAI refuses an object of which nothing is said.
    if is_object && !has_members {
        object.object("properties");
    }
}

/// Whether it is the type of objects.
fn write_type(value: Value<'_>, is_nullable: bool, object: &mut Object<'_>) -> bool {
    let words: Vec<String> = match value.kind() {
        Kind::Array => value.elements().filter_map(Value::string).map(|word| word.to_ascii_lowercase()).collect(),
        _ => value.string().map(|word| word.to_ascii_lowercase()).into_iter().collect(),
    };
    let mut words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "type_unspecified").collect();
    if is_nullable && !words.is_empty() && !words.contains(&"null") {
        words.push("null");
    }
    let is_object = words.contains(&"object");
    match *words.as_slice() {
        [] => {}
        [word] => _ = object.string("type", word),
        _ => {
            let mut array: Array<'_> = object.array("type");
            for word in words {
                array.text(&word.into());
            }
        }
    }
    is_object
}

/// OpenAPI's widths of numbers, and Gemini's mark of an enumeration: unknown formats are an error at some providers.
fn is_openapi_format(value: Value<'_>) -> bool {
    value.string().is_some_and(|format| matches!(&*format, "enum" | "int32" | "int64" | "float" | "double"))
}

/// Google's JavaScript SDK writes whole numbers of 64 bits as strings.
fn write_count(name: &str, value: Value<'_>, object: &mut Object<'_>) {
    match value.string().and_then(|digits| digits.parse().ok()) {
        Some(count) => object.count(name, count),
        None => object.value(name, value),
    };
}

fn write_map(name: &str, value: Value<'_>, object: &mut Object<'_>) {
    let mut map = object.object(name);
    for (name, schema) in value.members() {
        write(schema, map.slot(&name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn written(schema: &Json) -> Json {
        let text = schema.to_string();
        let mut out = Vec::new();
        write_json_schema(&mut Object::begin(&mut out), "s", Value::parse(text.as_bytes()).unwrap(), true);
        let written: Json = serde_json::from_slice(&out).unwrap();
        let alone = json_schema(Value::parse(text.as_bytes()).unwrap(), true);
        assert_eq!(serde_json::from_str::<Json>(&alone).unwrap(), written["s"]);
        written["s"].clone()
    }

    #[test]
    fn geminis_dialect_becomes_json_schema() {
        let schema = json!({
            "type": "OBJECT", "title": "T", "property_ordering": ["b"],
            "properties": {
                "type": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["A", "b_c"]},
                "snake_name": {"type": "ARRAY", "min_items": "1", "maxItems": 3, "items": {"type": "INTEGER", "format": "int32"}},
                "q\"": {"any_of": [{"type": "NUMBER"}, {"type": "STRING", "format": "date-time"}], "nullable": true},
                "empty": {"type": "OBJECT", "description": "d"},
                "open": {"type": "OBJECT", "additional_properties": {"type": "BOOLEAN"}},
                "ref": {"ref": "#/$defs/X"},
                "any": {"type": "TYPE_UNSPECIFIED", "nullable": false},
            },
            "required": ["type"],
            "defs": {"X": {"type": "NULL", "nullable": true, "example": {"type": "KEPT"}}},
        });
        let expected = json!({
            "type": "object", "title": "T",
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["A", "b_c", null]},
                "snake_name": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}},
                "q\"": {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}, {"type": "null"}]},
                "empty": {"type": "object", "description": "d", "properties": {}},
                "open": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "ref": {"$ref": "#/$defs/X"},
                "any": {},
            },
            "required": ["type"],
            "$defs": {"X": {"type": "null", "example": {"type": "KEPT"}}},
        });
        assert_eq!(written(&schema), expected);
    }

    #[test]
    fn json_schema_is_not_touched() {
        let mut out = Vec::new();
        let schema = Value::parse(br#"{"type":"object", "nullable":true}"#).unwrap();
        write_json_schema(&mut Object::begin(&mut out), "s", schema, false);
        assert_eq!(out, br#"{"s":{"type":"object", "nullable":true}}"#);
    }

    #[test]
    fn odd_schemas_do_no_harm() {
        for odd in
            [json!(true), json!([]), json!({"type": 5, "properties": [], "anyOf": "x", "enum": 1, "nullable": true})]
        {
            written(&odd);
        }
    }
}
