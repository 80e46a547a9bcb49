//! Schemas as OpenAI reads them. One of JSON Schema goes on as it is; Gemini's subset has types in capitals, `nullable`
//! and numbers in strings, and is rewritten.

use std::borrow::Cow;

use crate::canonical::Text;
use crate::json::write::Object;
use crate::json::{Kind, Value};

/// Writes a member that is a schema.
pub(super) fn write(object: &mut Object<'_>, name: &str, schema: Value<'_>) {
    match rewritten(schema) {
        Some(text) => object.raw(name, &text),
        None => object.value(name, schema),
    };
}

/// Writes the schema of a function's arguments, which must be an object with properties, even if they are none.
pub(super) fn write_parameters(object: &mut Object<'_>, name: &str, schema: Value<'_>) {
    let text = rewritten(schema).map_or(Cow::Borrowed(schema.raw()), Cow::Owned);
    let missing = |member: &str| schema.get(member).is_none();
    let is_composed = ["anyOf", "oneOf", "allOf", "$ref"].into_iter().any(|member| schema.get(member).is_some());
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let (Some(inner), true, false) = (inner, missing("properties"), is_composed) else {
        object.raw(name, &text);
        return;
    };
    let mut parameters = object.object(name);
    if missing("type") {
        parameters.string("type", "object");
    }
    parameters.members(inner.trim().as_bytes()).object("properties");
}

/// Gemini's subset in JSON Schema; `None` when it is JSON Schema already.
fn rewritten(schema: Value<'_>) -> Option<String> {
    let is_subset = schema.get("type")?.text()?.decode().starts_with(|first: char| first.is_ascii_uppercase());
    if !is_subset {
        return None;
    }
    let mut out = Vec::with_capacity(schema.raw().len());
    rewrite(schema, &mut out);
    String::from_utf8(out).ok()
}

fn rewrite(schema: Value<'_>, out: &mut Vec<u8>) {
    if schema.kind() != Kind::Object {
        out.extend_from_slice(schema.raw().as_bytes());
        return;
    }
    let is_nullable = schema.get("nullable").and_then(Value::boolean) == Some(true);
    let mut object = Object::begin(out);
    for (name, value) in schema.members() {
        match &*name {
            "nullable" | "propertyOrdering" | "example" => {}
            "format" if value.string().is_some_and(|format| format == "enum") => {}
            "type" => kind(&mut object, value, is_nullable),
            "properties" => properties(&mut object, value),
            "items" => {
                let mut written = Vec::new();
                rewrite(value, &mut written);
                raw(&mut object, "items", &written);
            }
            "anyOf" => list(&mut object, "anyOf", value.elements(), is_nullable.then_some(r#"{"type":"null"}"#)),
            "enum" if is_nullable => list(&mut object, "enum", value.elements(), Some("null")),
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                match value.string().and_then(|digits| digits.parse().ok()) {
                    Some(number) => object.count(&name, number),
                    None => object.value(&name, value),
                };
            }
            _ => raw_member(&mut object, &name, value.raw().as_bytes()),
        }
    }
}

fn kind(object: &mut Object<'_>, value: Value<'_>, is_nullable: bool) {
    let Some(word) = value.string().map(|word| word.to_ascii_lowercase()) else { return };
    if word == "type_unspecified" {
        return;
    }
    if is_nullable {
        object.array("type").text(&Text::from(word)).text(&Text::Escaped("null"));
    } else {
        object.string("type", &word);
    }
}

fn properties(object: &mut Object<'_>, value: Value<'_>) {
    let mut inner = object.object("properties");
    for (name, schema) in value.members() {
        let mut written = Vec::new();
        rewrite(schema, &mut written);
        raw_member(&mut inner, &name, &written);
    }
}

/// Schemas or values, and one more.
fn list<'a>(object: &mut Object<'_>, name: &str, values: impl Iterator<Item = Value<'a>>, more: Option<&str>) {
    let mut written = b"[".to_vec();
    for value in values {
        if written.len() > 1 {
            written.push(b',');
        }
        rewrite(value, &mut written);
    }
    if let Some(more) = more {
        if written.len() > 1 {
            written.push(b',');
        }
        written.extend_from_slice(more.as_bytes());
    }
    written.push(b']');
    raw(object, name, &written);
}

fn raw(object: &mut Object<'_>, name: &str, written: &[u8]) {
    object.raw(name, &String::from_utf8_lossy(written));
}

/// A member whose name is the caller's.
fn raw_member(object: &mut Object<'_>, name: &str, written: &[u8]) {
    let mut member = b"\"".to_vec();
    Text::plain(name).write_escaped(&mut member);
    member.extend_from_slice(b"\":");
    member.extend_from_slice(written);
    object.members(&member);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &str) -> String {
        let mut out = Vec::new();
        write_parameters(&mut Object::begin(&mut out), "s", Value::parse(schema.as_bytes()).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_schema_goes_on_as_it_is() {
        let schema = r#"{"type":"object", "properties":{"TYPE":{"type":["string","null"]}}}"#;
        assert_eq!(written(schema), format!(r#"{{"s":{schema}}}"#));
        let composed = r#"{"anyOf":[{"type":"object"}]}"#;
        assert_eq!(written(composed), format!(r#"{{"s":{composed}}}"#));
    }

    #[test]
    fn arguments_are_an_object_with_properties() {
        assert_eq!(written("{}"), r#"{"s":{"type":"object","properties":{}}}"#);
        assert_eq!(written(r#"{ "type":"object" }"#), r#"{"s":{"type":"object","properties":{}}}"#);
    }

    #[test]
    fn geminis_subset_becomes_json_schema() {
        let schema = r#"{"type":"OBJECT","propertyOrdering":["a"],"properties":{
            "a":{"type":"STRING","nullable":true,"enum":["x"],"format":"enum"},
            "type":{"type":"ARRAY","minItems":"1","items":{"type":"INTEGER","format":"int32"}},
            "q\"":{"nullable":true,"anyOf":[{"type":"NUMBER"}]}},"required":["a"]}"#;
        assert_eq!(
            written(schema),
            concat!(
                r#"{"s":{"type":"object","properties":{"a":{"type":["string","null"],"enum":["x",null]},"#,
                r#""type":{"type":"array","minItems":1,"items":{"type":"integer","format":"int32"}},"#,
                r#""q\"":{"anyOf":[{"type":"number"},{"type":"null"}]}},"required":["a"]}}"#
            )
        );
    }
}
