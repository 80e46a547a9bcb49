//! The part of JSON schema that `strict: true` allows.

use serde_json::Value;

const NOT_PERMITTED: [&str; 10] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
];

/// Says what is wrong, if anything is.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.".to_owned());
    }
    walk(schema, &mut Vec::new())
}

fn walk(schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    let context = |path: &[String]| {
        let inner = path.iter().map(|step| format!("'{step}'")).collect::<Vec<_>>().join(", ");
        if path.len() == 1 { format!("In context=({inner},)") } else { format!("In context=({inner})") }
    };
    if let Some(keyword) = NOT_PERMITTED.iter().find(|keyword| fields.contains_key(**keyword)) {
        return Err(format!("{}, '{keyword}' is not permitted.", context(path)));
    }
    let is_object = match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.contains_key("properties"),
    };
    if is_object {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(format!(
                "{}, 'additionalProperties' is required to be supplied and to be false.",
                context(path)
            ));
        }
        let required = fields.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let properties = fields.get("properties").and_then(Value::as_object);
        let left_out = properties.into_iter().flatten().find(|(name, _)| !required.iter().any(|one| one == *name));
        if let Some((name, _)) = left_out {
            return Err(format!(
                "{}, 'required' is required to be supplied and to be an array including every key in properties. Missing '{name}'.",
                context(path)
            ));
        }
    }
    if fields.get("type").and_then(Value::as_str) == Some("array") && !fields.contains_key("items") {
        return Err(format!("{}, array schema missing items.", context(path)));
    }
    let mut inside = |step: &str, name: &str, inner: &Value| {
        path.extend([step.to_owned(), name.to_owned()]);
        let result = walk(inner, path);
        path.truncate(path.len() - 2);
        result
    };
    for group in ["properties", "$defs", "definitions"] {
        for (name, inner) in fields.get(group).and_then(Value::as_object).into_iter().flatten() {
            inside(group, name, inner)?;
        }
    }
    for (index, inner) in fields.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        inside("anyOf", &index.to_string(), inner)?;
    }
    fields.get("items").map_or(Ok(()), |items| inside("items", "0", items))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_object_is_closed_and_wants_all_of_its_members() {
        let good = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items":
            {"type": "object", "properties": {}, "additionalProperties": false}}}, "required": ["a", "b"], "additionalProperties": false});
        assert_eq!(check(&good), Ok(()));
        let mut open = good.clone();
        open["properties"]["b"]["items"].as_object_mut().unwrap().remove("additionalProperties");
        let why = check(&open).unwrap_err();
        assert_eq!(
            why,
            "In context=('properties', 'b', 'items', '0'), 'additionalProperties' is required to be supplied and to be false."
        );
        let mut optional = good.clone();
        optional["required"] = json!(["a"]);
        assert!(check(&optional).unwrap_err().ends_with("Missing 'b'."));
        let mut merged = good;
        merged["properties"]["a"] = json!({"allOf": []});
        assert!(check(&merged).unwrap_err().contains("'allOf' is not permitted"));
    }
}
