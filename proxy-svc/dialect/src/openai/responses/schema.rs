//! Schemas of tools and answers, as OpenAI takes them.

use std::borrow::Cow;

use crate::canonical::Text;
use crate::json::Value;
use crate::json::write::Object;

/// The schema of a tool's arguments. OpenAI refuses one that does not say that it is an object, and an object of which
/// nothing is said.
pub(super) fn write_parameters(object: &mut Object<'_>, parameters: Option<Value<'_>>) {
    let parameters = parameters.unwrap_or(Value::EMPTY_OBJECT);
    let (has_type, has_properties) = (parameters.get("type").is_some(), parameters.get("properties").is_some());
    if has_type && has_properties {
        object.value("parameters", parameters);
        return;
    }
    let mut schema = object.object("parameters");
    if !has_type {
        schema.string("type", "object");
    }
    let inner = parameters.raw().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    schema.members(inner.trim().as_bytes());
    if !has_properties {
        schema.object("properties");
    }
}

/// The name of a format: OpenAI demands one, of letters, digits, `_` and `-`.
pub(super) fn format_name<'n>(name: Option<&'n Text<'_>>) -> Cow<'n, str> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let name = name.map(Text::decode).unwrap_or_default();
    if name.is_empty() {
        return Cow::Borrowed("answer");
    }
    if name.len() <= 64 && name.chars().all(allowed) {
        return name;
    }
    Cow::Owned(name.chars().take(64).map(|character| if allowed(character) { character } else { '_' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(parameters: Option<&str>) -> String {
        let mut out = Vec::new();
        let parameters = parameters.map(|text| Value::parse(text.as_bytes()).unwrap());
        write_parameters(&mut Object::begin(&mut out), parameters);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_schema_says_that_it_is_an_object_and_of_what() {
        assert_eq!(written(None), r#"{"parameters":{"type":"object","properties":{}}}"#);
        assert_eq!(written(Some("{ }")), r#"{"parameters":{"type":"object","properties":{}}}"#);
        assert_eq!(written(Some(r#"{"type":"object"}"#)), r#"{"parameters":{"type":"object","properties":{}}}"#);
        let whole = r#"{ "type":"object", "properties" : {} }"#;
        assert_eq!(written(Some(whole)), format!(r#"{{"parameters":{whole}}}"#));
    }

    #[test]
    fn names_of_formats_have_letters_only() {
        assert_eq!(format_name(None), "answer");
        assert_eq!(format_name(Some(&Text::from("My Schema.1"))), "My_Schema_1");
        assert_eq!(format_name(Some(&Text::from("x".repeat(70)))).len(), 64);
    }
}
