//! JSON Schema for models before 2.5.

use super::*;

/// What becomes of a schema, and whether something was left out.
fn subset(schema: &Json) -> Result<(Json, bool), Rejected> {
    let text = schema.to_string();
    let mut out = Vec::new();
    let mut object = crate::json::write::Object::begin(&mut out);
    let is_approximated = super::super::subset::write(&mut object, "s", Value::parse(text.as_bytes()).unwrap())?;
    drop(object);
    let written: Json = serde_json::from_slice(&out).unwrap();
    Ok((written["s"].clone(), is_approximated))
}

#[test]
fn references_parts_and_nulls_are_said_in_other_words() {
    let schema = json!({
        "$schema": "x", "type": "object", "additionalProperties": false,
        "properties": {
            "address": {"$ref": "#/$defs/Address", "description": "where"},
            "home": {"$ref": "#/$defs/Address"},
            "name": {"type": ["string", "null"], "default": null},
            "kind": {"const": "a"},
            "size": {"enum": ["s", "m", null]},
            "number": {"anyOf": [{"type": "integer"}, {"type": "null"}], "minimum": 1},
            "either": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            "types": {"type": ["integer", "boolean"]},
            "list": {"type": "array", "items": {"type": "string", "format": "date-time"}, "maxItems": 3},
            "any": {},
            "empty": {"type": "object"},
            "all": {"allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "number"}}, "required": ["b", "a", "c"]},
            ]},
        },
        "required": ["address", "missing"],
        "$defs": {"Address": {"type": "object", "properties": {"street": {"type": "string"}}}},
    });
    let address = json!({"type": "OBJECT", "properties": {"street": {"type": "STRING"}}});
    let expected = json!({
        "type": "OBJECT",
        "properties": {
            "address": {"type": "OBJECT", "description": "where", "properties": {"street": {"type": "STRING"}}},
            "home": address,
            "name": {"type": "STRING", "nullable": true},
            "kind": {"type": "STRING", "enum": ["a"]},
            "size": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["s", "m"]},
            "number": {"type": "INTEGER", "nullable": true, "minimum": 1},
            "either": {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
            "types": {"anyOf": [{"type": "INTEGER"}, {"type": "BOOLEAN"}]},
            "list": {"type": "ARRAY", "items": {"type": "STRING", "format": "date-time"}, "maxItems": 3},
            "any": {},
            "empty": {"type": "OBJECT"},
            "all": {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "NUMBER"}},
                "required": ["a", "b"],
            },
        },
        "required": ["address"],
    });
    assert_eq!(subset(&schema).unwrap(), (expected, false));
}

#[test]
fn what_is_left_out_is_told() {
    for (schema, expected) in [
        (json!({"type": "string", "format": "email"}), json!({"type": "STRING"})),
        (json!({"type": "integer", "enum": [1, 2]}), json!({"type": "INTEGER"})),
        (json!({"type": "number", "exclusiveMinimum": 1}), json!({"type": "NUMBER"})),
        (json!({"type": "array"}), json!({"type": "ARRAY", "items": {"type": "STRING"}})),
        (
            json!({"type": "array", "prefixItems": [{"type": "integer"}]}),
            json!({"type": "ARRAY", "items": {"type": "INTEGER"}}),
        ),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), json!({"type": "OBJECT"})),
        (json!({"not": {}}), json!({})),
    ] {
        assert_eq!(subset(&schema).unwrap(), (expected, true), "{schema}");
    }
    let mut request = accepted(&with(
        "tools",
        json!([{"functionDeclarations": [
            {"name": "f", "parametersJsonSchema": {"properties": {"a": {"not": {}}}}},
            {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {}}},
        ]}]),
    ));
    request.messages.truncate(1);
    let (body, notes) = written(&request, "gemini-1.5-flash").unwrap();
    let declarations = &body["tools"][0]["functionDeclarations"];
    assert_eq!(declarations[0]["parameters"], json!({"type": "OBJECT", "properties": {"a": {}}}));
    assert_eq!(declarations[1], json!({"name": "g"}));
    assert_eq!(notes, "tools.schema=approximated");
}

#[test]
fn schemas_without_an_end_are_refused() {
    let cyclic = json!({
        "properties": {"next": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    });
    assert!(subset(&cyclic).unwrap_err().message.contains("itself"));
    assert!(subset(&json!({"properties": {"x": {"$ref": "#"}}})).unwrap_err().message.contains("itself"));
    assert!(subset(&json!({"$ref": "#/$defs/missing"})).unwrap_err().message.contains("not in it"));
    let mut definitions = json!({});
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
        definitions[format!("L{level}")] = json!({"properties": {"a": next.clone(), "b": next}});
    }
    definitions["L30"] = json!({"type": "string"});
    let bomb = json!({"$ref": "#/$defs/L0", "$defs": definitions});
    assert!(subset(&bomb).unwrap_err().message.contains("too large"));
    let mut definitions = json!({});
    for level in 0..4_000 {
        definitions[format!("L{level}")] = json!({"$ref": format!("#/$defs/L{}", level + 1)});
    }
    let chain = json!({"$ref": "#/$defs/L0", "$defs": definitions});
    assert!(subset(&chain).unwrap_err().message.contains("too large"));
    // A reference to nothing but itself says nothing.
    assert_eq!(
        subset(&json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})).unwrap(),
        (json!({}), false)
    );
}

#[test]
fn odd_schemas_do_no_harm() {
    for odd in [
        json!(true),
        json!(7),
        json!({"type": 5, "properties": [], "anyOf": {}, "allOf": 1, "required": "x", "enum": 3, "items": true}),
        json!({"$ref": "#/a~1b/0", "a/b": [{"type": "null"}]}),
        json!({"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}}),
    ] {
        let _ = subset(&odd).unwrap();
    }
}
