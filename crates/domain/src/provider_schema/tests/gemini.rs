//! Gemini.

use super::*;

fn gemini(property: Value) -> Value {
    adapted(&with(property), Dialect::Gemini)["properties"]["a"].clone()
}

#[test]
fn values_of_one_type() {
    for (schema, shown) in [
        (
            json!({"type": "string", "minLength": 1, "pattern": "^a"}),
            json!({"type": "string", "minLength": 1, "pattern": "^a"}),
        ),
        (json!({"type": "string", "title": "T"}), json!({"type": "string", "description": "T"})),
        (
            json!({"type": "string", "title": "T", "description": "D"}),
            json!({"type": "string", "description": "D"}),
        ),
        (json!({"type": "string", "format": "date-time"}), json!({"type": "string", "format": "date-time"})),
        (
            json!({"type": "string", "format": "email"}),
            json!({"type": "string", "description": "[format: \"email\"]"}),
        ),
        (
            json!({"type": "integer", "format": "int64", "minimum": 1}),
            json!({"type": "integer", "format": "int64", "minimum": 1}),
        ),
        (
            json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}),
            json!({"type": "integer", "minimum": 1, "maximum": 9}),
        ),
        (
            json!({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5, "format": "x"}),
            json!({"type": "number", "description": "[exclusiveMinimum: 0; multipleOf: 0.5; format: \"x\"]"}),
        ),
        (json!({"enum": ["a", "b"]}), json!({"type": "string", "enum": ["a", "b"]})),
        (
            json!({"enum": ["a", ""]}),
            json!({"type": "string", "enum": ["a"], "description": "[may be empty: true]"}),
        ),
        (json!({"enum": ["a", null]}), json!({"type": "string", "enum": ["a"], "nullable": true})),
        (json!({"enum": [1, 2]}), json!({"type": "integer", "description": "[one of: [1,2]]"})),
        (json!({"const": "x"}), json!({"type": "string", "enum": ["x"]})),
        (json!({"const": true}), json!({"type": "boolean", "description": "[one of: [true]]"})),
        (
            json!({"type": "string", "default": "x", "description": "D"}),
            json!({"type": "string", "description": "D [default: \"x\"]"}),
        ),
        (json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true})),
        (json!({"type": "null"}), json!({"type": "string", "nullable": true})),
        (json!({"type": "array"}), json!({"type": "array", "items": {"type": "string"}})),
        (
            json!({"type": "array", "items": {"type": "integer"}, "maxItems": 3, "uniqueItems": true}),
            json!({"type": "array", "maxItems": 3, "items": {"type": "integer"}, "description": "[uniqueItems: true]"}),
        ),
        (json!({"type": "string", "properties": {"x": {}}, "minimum": 1}), json!({"type": "string"})),
        (json!({}), json!({"type": "string"})),
        (json!({"description": "Any"}), json!({"type": "string", "description": "Any"})),
    ] {
        assert_eq!(gemini(schema.clone()), shown, "{schema}");
    }
}

#[test]
fn objects() {
    assert_eq!(
        adapted(&json!({}), Dialect::Gemini),
        json!({"type": "object"}),
        "an empty `properties` is refused"
    );
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["a", "gone"], "properties": {
        "a": {"properties": {"b": {"type": "string"}}, "required": ["c"], "additionalProperties": true},
        "never": false,
    }});
    assert_eq!(
        adapted(&schema, Dialect::Gemini),
        json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}, "required": ["a"]})
    );
    let map = with(
        json!({"type": "object", "additionalProperties": {"type": "string"}, "propertyNames": {"pattern": "^x"}}),
    );
    assert_eq!(adapted(&map, Dialect::Gemini)["properties"]["a"], json!({"type": "object"}));
    assert_eq!(
        notes(&map, Dialect::Gemini),
        ["/properties/a: `additionalProperties` was left out", "/properties/a: `propertyNames` was left out"]
    );
}

#[test]
fn alternatives_stand_alone() {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    for (schema, shown) in [
        (json!({"type": ["string", "integer"]}), json!({"anyOf": [text, number]})),
        (
            json!({"anyOf": [text, number], "description": "Either"}),
            json!({"anyOf": [{"type": "string", "description": "Either"}, {"type": "integer", "description": "Either"}]}),
        ),
        (
            json!({"anyOf": [text, {"type": "null"}], "default": null}),
            json!({"type": "string", "description": "[default: null]", "nullable": true}),
        ),
        (
            json!({"oneOf": [text, number, {"type": "null"}]}),
            json!({"anyOf": [{"type": "string", "nullable": true}, {"type": "integer", "nullable": true}]}),
        ),
        (
            json!({"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}], "title": "Pick"}),
            json!({"type": "string", "description": "Pick", "enum": ["a", "b"]}),
        ),
        (
            json!({"type": "object", "properties": {"x": text, "y": text}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}),
            json!({"anyOf": [
                {"type": "object", "properties": {"x": text, "y": text}, "required": ["x"]},
                {"type": "object", "properties": {"x": text, "y": text}, "required": ["y"]},
            ]}),
        ),
        (json!({"allOf": [{"type": "string"}, {"maxLength": 3}]}), json!({"type": "string", "maxLength": 3})),
    ] {
        assert_eq!(gemini(schema.clone()), shown, "{schema}");
    }
}

#[test]
fn references_are_written_out() {
    let schema = json!({"type": "object", "$defs": {
        "City": {"type": "object", "description": "A city", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "Node": {"type": "object", "properties": {"value": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}}},
    },
    "properties": {
        "city": {"$ref": "#/$defs/City", "description": "Where"},
        "other": {"$ref": "#/$defs/City"},
        "all": {"allOf": [{"$ref": "#/$defs/City"}], "description": "Pydantic's way"},
        "node": {"$ref": "#/$defs/Node"},
        "me": {"$ref": "#"},
    }});
    let city = |words: &str| json!({"type": "object", "description": words, "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let done = adapt(&schema, Dialect::Gemini).unwrap();
    assert_eq!(
        done.schema,
        json!({"type": "object", "properties": {
            "city": city("Where"),
            "other": city("A city"),
            "all": city("Pydantic's way"),
            "node": {"type": "object", "properties": {"value": {"type": "string"}, "next": {"type": "object", "description": "[like: \"Node\"]"}}},
            "me": {"type": "object", "description": "[like: \"the whole\"]"},
        }})
    );
    let paths: Vec<&str> = done.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(paths, ["/properties/node/properties/next", "/properties/me"]);
}
