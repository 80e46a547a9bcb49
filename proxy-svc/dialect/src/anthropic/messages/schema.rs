//! JSON schemas for Anthropic.
//!
//! Where a schema is enforced (structured output, strict tools) only a part of JSON Schema is taken and the rest answered
//! with a 400. What is left out is told to the model in the description, as the official SDKs do. Elsewhere a schema is
//! left as it is, but for the spelling of Gemini's types.

use std::fmt::Write as _;

use crate::canonical::Text;
use crate::json::{Kind, Value};

/// Formats of strings that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A schema that is written, and whether it demands less than the original.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) json: String,
    pub(super) is_looser: bool,
}

/// For a schema that is enforced. `description` is one that stands beside it.
pub(super) fn enforced(schema: Value<'_>, description: Option<&Text<'_>>) -> Written {
    let mut written = Written::default();
    written.schema(schema, Rules { enforced: true, is_root_of_tool: false }, description);
    written
}

/// For the arguments of a tool; `None` when they are not an object's.
pub(super) fn of_tool(schema: Option<Value<'_>>, is_enforced: bool) -> Option<Written> {
    let schema = schema.unwrap_or(Value::EMPTY_OBJECT);
    let kind = schema.get("type");
    let is_object = match kind.and_then(Value::string) {
        Some(word) => word.eq_ignore_ascii_case("object"),
        None => kind.is_none(),
    };
    if !is_object {
        return None;
    }
    let mut written = Written::default();
    if is_enforced || !is_good_as_it_is(schema) {
        written.schema(schema, Rules { enforced: is_enforced, is_root_of_tool: true }, None);
    } else {
        written.json.push_str(schema.raw());
    }
    Some(written)
}

/// A tool's schema that needs no change where it is not enforced. Whoever writes types in capitals does so from the root.
fn is_good_as_it_is(schema: Value<'_>) -> bool {
    let (mut has_type, mut has_properties) = (false, false);
    for (name, value) in schema.members() {
        match &*name {
            "type" => has_type = value.raw() == r#""object""#,
            "properties" => has_properties = value.kind() == Kind::Object,
            "anyOf" | "oneOf" | "allOf" => return false,
            _ => {}
        }
    }
    has_type && has_properties
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    enforced: bool,
    /// It is an object's, and has no alternatives.
    is_root_of_tool: bool,
}

impl Rules {
    const fn inside(self) -> Self {
        Self { is_root_of_tool: false, ..self }
    }
}

/// Where a value goes that stands in a schema.
enum Place {
    Same,
    Schema,
    Schemas(&'static str),
    /// By their names.
    SchemaMap,
    Type,
    Description,
    /// Said anew by the writer, or without a meaning here.
    Nowhere,
    /// Told in the description.
    Told,
}

impl Written {
    fn schema(&mut self, schema: Value<'_>, rules: Rules, beside: Option<&Text<'_>>) {
        if schema.kind() != Kind::Object {
            self.json.push_str(schema.raw());
            return;
        }
        let facts = Facts::of(schema);
        let is_object = rules.is_root_of_tool || facts.is_object || !facts.has_type && facts.has_properties;
        let is_nullable = !rules.is_root_of_tool && facts.is_nullable;
        let mut told = beside.map(|text| text.decode().into_owned()).unwrap_or_default();
        let mut left_out = String::new();
        self.json.push('{');
        let start = self.json.len();
        if rules.is_root_of_tool && !facts.has_type {
            self.json.push_str(r#""type":"object""#);
        }
        for (name, value) in schema.members() {
            let place = place(&name, value, rules, is_object);
            let name = match place {
                Place::Schemas(name) => name,
                _ => &name,
            };
            match place {
                Place::Nowhere => continue,
                Place::Told => {
                    let separator = if left_out.is_empty() { "" } else { ", " };
                    // Writing into a string does not fail.
                    let _ = write!(left_out, "{separator}{name}: {}", value.raw());
                    continue;
                }
                Place::Description => {
                    if !told.is_empty() {
                        told.push_str("\n\n");
                    }
                    told.push_str(&value.string().unwrap_or_default());
                    continue;
                }
                _ => self.name(name, start),
            }
            match place {
                Place::Schema => self.schema(value, rules.inside(), None),
                Place::Schemas(_) => self.list(value, rules.inside()),
                Place::SchemaMap => self.map(value, rules.inside()),
                Place::Type => self.kind(value, is_nullable),
                _ => self.json.push_str(value.raw()),
            }
        }
        if is_object && (rules.is_root_of_tool || rules.enforced) && !facts.has_properties {
            self.name("properties", start);
            self.json.push_str("{}");
        }
        if is_object && rules.enforced {
            self.name("additionalProperties", start);
            self.json.push_str("false");
            self.is_looser |= facts.is_open;
        }
        if !left_out.is_empty() {
            self.is_looser = true;
            let separator = if told.is_empty() { "" } else { "\n\n" };
            let _ = write!(told, "{separator}{{{left_out}}}");
        }
        if !told.is_empty() {
            self.name("description", start);
            self.string(&told);
        }
        self.json.push('}');
    }

    fn name(&mut self, name: &str, start: usize) {
        if self.json.len() > start {
            self.json.push(',');
        }
        self.string(name);
        self.json.push(':');
    }

    fn string(&mut self, text: &str) {
        self.json.push_str(&serde_json::Value::from(text).to_string());
    }

    fn list(&mut self, value: Value<'_>, rules: Rules) {
        self.json.push('[');
        for (index, element) in value.elements().enumerate() {
            if index > 0 {
                self.json.push(',');
            }
            self.schema(element, rules, None);
        }
        self.json.push(']');
    }

    fn map(&mut self, value: Value<'_>, rules: Rules) {
        self.json.push('{');
        let start = self.json.len();
        for (name, schema) in value.members() {
            self.name(&name, start);
            self.schema(schema, rules, None);
        }
        self.json.push('}');
    }

    /// Gemini writes types in capitals, and what may be null in a member of its own.
    fn kind(&mut self, value: Value<'_>, is_nullable: bool) {
        match value.string() {
            Some(word) if is_nullable => {
                self.json.push('[');
                self.string(&word.to_ascii_lowercase());
                self.json.push_str(r#","null"]"#);
            }
            Some(word) => self.string(&word.to_ascii_lowercase()),
            None => self.json.push_str(value.raw()),
        }
    }
}

/// What the writing of a schema depends on, from one look at it: every look goes over all that is inside.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Facts {
    has_type: bool,
    has_properties: bool,
    is_object: bool,
    is_nullable: bool,
    /// It says that an object may have members that it does not name.
    is_open: bool,
}

impl Facts {
    fn of(schema: Value<'_>) -> Self {
        let is_object = |value: Value<'_>| value.string().is_some_and(|word| word.eq_ignore_ascii_case("object"));
        let mut facts = Self::default();
        for (name, value) in schema.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "type" => {
                    facts.has_type = true;
                    facts.is_object = is_object(value) || value.elements().any(is_object);
                }
                "properties" => facts.has_properties = true,
                "nullable" => facts.is_nullable = value.boolean() == Some(true),
                "additionalProperties" => facts.is_open = value.boolean() != Some(false),
                _ => {}
            }
        }
        facts
    }
}

fn place(name: &str, value: Value<'_>, rules: Rules, is_object: bool) -> Place {
    match name {
        "nullable" | "propertyOrdering" => Place::Nowhere,
        "type" => Place::Type,
        "description" => Place::Description,
        "anyOf" | "oneOf" | "allOf" if rules.is_root_of_tool => Place::Told,
        "oneOf" if rules.enforced => Place::Schemas("anyOf"),
        "anyOf" => Place::Schemas("anyOf"),
        "oneOf" => Place::Schemas("oneOf"),
        "allOf" => Place::Schemas("allOf"),
        "prefixItems" if !rules.enforced => Place::Schemas("prefixItems"),
        "properties" | "$defs" | "definitions" => Place::SchemaMap,
        "patternProperties" | "dependentSchemas" if !rules.enforced => Place::SchemaMap,
        "items" if value.kind() == Kind::Array => {
            if rules.enforced {
                Place::Told
            } else {
                Place::Schemas("items")
            }
        }
        "items" => Place::Schema,
        "additionalProperties" if rules.enforced && is_object => Place::Nowhere,
        "additionalProperties" | "not" | "if" | "then" | "else" | "contains" | "propertyNames" if !rules.enforced => {
            Place::Schema
        }
        _ if !rules.enforced => Place::Same,
        "$ref" | "title" | "enum" | "const" | "default" | "required" => Place::Same,
        "$schema" | "$id" | "$comment" => Place::Nowhere,
        "format" if value.string().is_some_and(|word| FORMATS.contains(&&*word)) => Place::Same,
        "minItems" if value.count().is_some_and(|count| count <= 1) => Place::Same,
        _ => Place::Told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value<'_> {
        Value::parse(json.as_bytes()).unwrap()
    }

    fn checked(written: Written) -> (String, bool) {
        let text = written.json;
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        (text, written.is_looser)
    }

    #[test]
    fn an_enforced_schema_keeps_what_can_be_enforced_and_tells_the_rest() {
        let schema = r##"{"$schema":"x","type":"object","properties":{"n\"":{"type":"integer","minimum":1,"maximum":9,"description":"A number"},
            "list":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"object","properties":{},"additionalProperties":{"type":"string"}}},
            "when":{"type":"string","format":"date"},"code":{"type":["string","null"],"pattern":"^a$"},
            "any":{"oneOf":[{"type":"string"},{"$ref":"#/$defs/x"}]}},"required":["n\""],"$defs":{"x":{"const":1}}}"##;
        let (json, is_looser) = checked(enforced(value(schema), Some(&Text::from("Beside."))));
        let expected = concat!(
            r##"{"type":"object","properties":{"n\"":{"type":"integer","description":"A number\n\n{minimum: 1, maximum: 9}"},"##,
            r##""list":{"type":"array","minItems":1,"items":{"type":"object","properties":{},"additionalProperties":false},"description":"{maxItems: 3}"},"##,
            r##""when":{"type":"string","format":"date"},"code":{"type":["string","null"],"description":"{pattern: \"^a$\"}"},"##,
            r##""any":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/x"}]}},"required":["n\""],"$defs":{"x":{"const":1}},"##,
            r##""additionalProperties":false,"description":"Beside."}"##,
        );
        assert_eq!(json, expected);
        assert!(is_looser);
    }

    #[test]
    fn a_schema_that_fits_loses_nothing() {
        let schema = r#"{"type":"object","properties":{"a":{"type":"string","enum":["x"]}},"required":["a"],"additionalProperties":false}"#;
        assert_eq!(checked(enforced(value(schema), None)), (schema.to_owned(), false));
        let open = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
        let (json, is_looser) = checked(enforced(value(open), None));
        assert!(json.ends_with(r#","additionalProperties":false}"#) && !is_looser, "{json}");
    }

    #[test]
    fn the_arguments_of_a_tool_are_an_object() {
        let written = |json| of_tool(Some(value(json)), false).map(checked);
        assert_eq!(of_tool(None, false).map(checked).unwrap().0, r#"{"type":"object","properties":{}}"#);
        assert_eq!(written(r#"{"properties":{"a":{}}}"#).unwrap().0, r#"{"type":"object","properties":{"a":{}}}"#);
        assert!(written(r#"{"type":"string"}"#).is_none() && written(r#"{"type":["object"]}"#).is_none());
        let (json, is_looser) =
            written(r#"{"type":"object","anyOf":[{"required":["a"]}],"properties":{"a":{"minimum":1}}}"#).unwrap();
        assert_eq!(
            json,
            r#"{"type":"object","properties":{"a":{"minimum":1}},"description":"{anyOf: [{\"required\":[\"a\"]}]}"}"#
        );
        assert!(is_looser);
    }

    #[test]
    fn geminis_spelling_becomes_json_schema() {
        let schema = r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true},"x":{"anyOf":[{"type":"INTEGER","format":"int32"}]}},"propertyOrdering":["type"]}"#;
        assert_eq!(
            of_tool(Some(value(schema)), false).map(checked).unwrap().0,
            r#"{"type":"object","properties":{"type":{"type":["string","null"]},"x":{"anyOf":[{"type":"integer","format":"int32"}]}}}"#
        );
    }
}
