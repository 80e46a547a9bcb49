//! The smallest value that satisfies a JSON schema, for tool arguments and structured answers.

use serde_json::{Map, Value, json};

/// Recursive schemas end here.
const MAX_DEPTH: usize = 12;

/// `word` is what free strings say, so that an answer shows which request it belongs to.
pub(crate) fn instance(schema: &Value, word: &str) -> Value {
    of(schema, schema, word, MAX_DEPTH)
}

fn of(schema: &Value, root: &Value, word: &str, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(target) =
        schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.strip_prefix('#')?))
    {
        return of(target, root, word, depth - 1);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = schema.get("enum").and_then(|values| values.get(0)) {
        return value.clone();
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(alternatives).and_then(|list| list.get(0)) {
            return of(first, root, word, depth - 1);
        }
    }
    match kind(schema).as_deref() {
        Some("object") => object(schema, root, word, depth),
        Some("array") => {
            let count = schema.get("minItems").or_else(|| schema.get("min_items")).and_then(Value::as_u64).unwrap_or(1);
            let item = schema.get("items").map_or(Value::Null, |items| of(items, root, word, depth - 1));
            Value::Array(vec![item; usize::try_from(count.min(16)).unwrap_or(1)])
        }
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(7)),
        Some("number") => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => json!(word),
    }
}

/// The type in lower case (Gemini writes it in capitals); the first of several.
fn kind(schema: &Value) -> Option<String> {
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null")?,
        _ if schema.get("properties").is_some() => "object",
        _ => return None,
    };
    Some(name.to_ascii_lowercase())
}

fn object(schema: &Value, root: &Value, word: &str, depth: usize) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
    let required = schema.get("required").and_then(Value::as_array);
    let fields = properties
        .iter()
        .filter(|(name, _)| required.is_none_or(|required| required.iter().any(|field| field == name.as_str())))
        .map(|(name, property)| (name.clone(), of(property, root, word, depth - 1)));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_properties_get_values_of_their_types() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "INTEGER"},
                "note": {"type": "string"}, "tags": {"type": "array", "items": {"type": ["null", "boolean"]}},
                "inner": {"$ref": "#/$defs/inner"},
            },
            "required": ["city", "unit", "days", "tags", "inner"],
            "$defs": {"inner": {"type": "object", "properties": {"x": {"type": "number"}}}},
        });
        let expected = json!({"city": "w", "unit": "C", "days": 7, "tags": [true], "inner": {"x": 1.5}});
        assert_eq!(instance(&schema, "w"), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"properties": {"next": {"$ref": "#"}}});
        assert!(instance(&schema, "w").is_object());
    }
}
