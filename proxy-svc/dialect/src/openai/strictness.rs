//! Whether OpenAI takes a schema in its strict mode: it wants every property required and no others allowed, and knows
//! only a part of JSON Schema. What it does not take it refuses with a 400.

use std::collections::HashSet;

use crate::json::{Kind, Value};

const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Errs on the side of no.
pub(crate) fn is_strict(schema: Value<'_>) -> bool {
    let is_object = schema.get("type").and_then(Value::string).is_some_and(|kind| kind == "object");
    is_object && schema.get("anyOf").is_none() && holds(schema)
}

fn holds(schema: Value<'_>) -> bool {
    if schema.kind() != Kind::Object {
        return false;
    }
    let known = schema.members().all(|(name, value)| match &*name {
        "properties" | "$defs" | "definitions" => value.members().all(|(_, schema)| holds(schema)),
        "items" => holds(value),
        "anyOf" => value.elements().all(holds),
        "additionalProperties" => value.boolean() == Some(false),
        "format" => value.string().is_some_and(|format| FORMATS.contains(&&*format)),
        "type" | "required" | "enum" | "const" | "description" | "title" | "$ref" | "$schema" | "pattern"
        | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "minItems" | "maxItems" => {
            true
        }
        _ => false,
    });
    known && (!is_object(schema) || is_closed(schema))
}

fn is_object(schema: Value<'_>) -> bool {
    let names_it = |kind: Value<'_>| kind.string().is_some_and(|kind| kind == "object");
    let kind = schema.get("type");
    schema.get("properties").is_some() || kind.is_some_and(|kind| names_it(kind) || kind.elements().any(names_it))
}

fn is_closed(schema: Value<'_>) -> bool {
    let required: HashSet<_> =
        schema.get("required").into_iter().flat_map(Value::elements).filter_map(Value::string).collect();
    schema.get("additionalProperties").is_some()
        && schema.get("properties").is_some_and(|all| all.members().all(|(name, _)| required.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_schemas_are_closed_and_require_everything() {
        let strict = |text: &str| is_strict(Value::parse(text.as_bytes()).unwrap());
        assert!(strict(
            r##"{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#/$defs/b"}}},"required":["a"],
            "additionalProperties":false,"$defs":{"b":{"type":["string","null"],"format":"date"}}}"##
        ));
        for not in [
            "{}",
            r#"{"type":"object","properties":{"a":{}},"required":[],"additionalProperties":false}"#,
            r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#,
            r#"{"type":"object","properties":{"a":{"default":1}},"required":["a"],"additionalProperties":false}"#,
            r#"{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}"#,
            r#"{"type":"array","items":{"type":"string"}}"#,
        ] {
            assert!(!strict(not), "{not}");
        }
    }
}
