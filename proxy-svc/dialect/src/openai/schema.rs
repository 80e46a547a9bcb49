//! Schemas of tools and answers, as OpenAI takes them.

use std::borrow::Cow;

use crate::canonical::Text;
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::schema::json_schema;

/// Writes the schema of a function's arguments, which must be an object with properties, even if they are none.
pub(crate) fn write_parameters(object: &mut Object<'_>, name: &str, schema: Value<'_>, is_openapi: bool) {
    let text = json_schema(schema, is_openapi);
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
    parameters.members(inner.trim().as_bytes());
    // An object of which nothing is said has them already where Gemini's dialect was rewritten.
    if !text.contains(r#""properties":"#) || !is_openapi {
        parameters.object("properties");
    }
}

/// The name of an answer's schema: OpenAI demands one, of at most 64 letters, digits, `_` and `-`.
pub(crate) fn format_name<'n>(name: Option<&'n Text<'_>>) -> Cow<'n, str> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let name = name.map(Text::decode).unwrap_or_default();
    if name.is_empty() {
        return Cow::Borrowed("response");
    }
    if name.len() <= 64 && name.chars().all(is_allowed) {
        return name;
    }
    Cow::Owned(name.chars().take(64).map(|character| if is_allowed(character) { character } else { '_' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_formats_have_letters_only() {
        assert_eq!(format_name(None), "response");
        assert_eq!(format_name(Some(&Text::from("My Schema.1"))), "My_Schema_1");
        assert_eq!(format_name(Some(&Text::from("x".repeat(70)))).len(), 64);
    }

    fn written(schema: &str, is_openapi: bool) -> String {
        let mut out = Vec::new();
        write_parameters(&mut Object::begin(&mut out), "s", Value::parse(schema.as_bytes()).unwrap(), is_openapi);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_schema_goes_on_as_it_is() {
        let schema = r#"{"type":"object", "properties":{"TYPE":{"type":["string","null"]}}}"#;
        assert_eq!(written(schema, false), format!(r#"{{"s":{schema}}}"#));
        let composed = r#"{"anyOf":[{"type":"object"}]}"#;
        assert_eq!(written(composed, false), format!(r#"{{"s":{composed}}}"#));
    }

    #[test]
    fn arguments_are_an_object_with_properties() {
        let expected = r#"{"s":{"type":"object","properties":{}}}"#;
        for (schema, is_openapi) in [("{}", false), (r#"{ "type":"object" }"#, false), (r#"{"type":"OBJECT"}"#, true)] {
            assert_eq!(written(schema, is_openapi), expected, "{schema}");
        }
    }
}
