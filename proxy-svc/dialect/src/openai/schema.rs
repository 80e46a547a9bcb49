//! The schema of a function's arguments as OpenAI takes it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
