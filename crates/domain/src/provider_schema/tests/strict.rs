//! OpenAI with strict mode.

use super::*;

fn strict(property: Value) -> Value {
    adapted(&with(property), Dialect::OpenAiStrict)["properties"]["a"].clone()
}

/// The same for an argument that may be missing.
fn optional(property: Value) -> Value {
    adapted(&json!({"type": "object", "properties": {"a": property}}), Dialect::OpenAiStrict)["properties"]["a"].clone()
}

#[test]
fn every_property_is_required_and_no_other_allowed() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string"},
        "b": {"type": "object", "properties": {"c": {"type": "integer"}}, "required": ["c"]},
        "never": false,
    }, "required": ["a", "never"]});
    assert_eq!(
        adapted(&schema, Dialect::OpenAiStrict),
        json!({
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"anyOf": [
                    {"type": "object", "properties": {"c": {"type": "integer"}}, "required": ["c"], "additionalProperties": false},
                    {"type": "null"},
                ]},
            },
            "required": ["a", "b"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        adapted(&json!({}), Dialect::OpenAiStrict),
        json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false})
    );
}

#[test]
fn optional_is_said_by_null() {
    for (schema, shown) in [
        (json!({"type": "string"}), json!({"type": ["string", "null"]})),
        (json!({"type": ["string", "null"]}), json!({"type": ["string", "null"]})),
        (json!({"enum": ["a", "b"]}), json!({"type": ["string", "null"], "enum": ["a", "b", null]})),
        (json!({"const": 5}), json!({"type": ["integer", "null"], "enum": [5, null]})),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "description": "Names"}),
            json!({"description": "Names", "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
        ),
    ] {
        assert_eq!(optional(schema.clone()), shown, "{schema}");
    }
}

#[test]
fn keywords_that_are_not_taken_become_words() {
    for (schema, shown) in [
        (
            json!({"type": "string", "minLength": 2, "description": "Name.", "default": "x", "pattern": "^a", "examples": [1], "deprecated": true}),
            json!({"type": "string", "description": "Name. [minLength: 2; default: \"x\"]", "pattern": "^a"}),
        ),
        (json!({"type": "string", "format": "email"}), json!({"type": "string", "format": "email"})),
        (
            json!({"type": "string", "format": "uri"}),
            json!({"type": "string", "description": "[format: \"uri\"]"}),
        ),
        (
            json!({"type": "array", "items": {"type": "integer", "minimum": 1}, "uniqueItems": true, "maxItems": 3}),
            json!({"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 1}, "description": "[uniqueItems: true]"}),
        ),
        (json!({"minimum": 1}), json!({"type": "number", "minimum": 1})),
    ] {
        assert_eq!(strict(schema.clone()), shown, "{schema}");
    }
}

#[test]
fn combinators_are_reduced() {
    for (schema, shown) in [
        (
            json!({"oneOf": [{"const": "a", "title": "A"}, {"type": "null"}], "description": "d"}),
            json!({"description": "d", "anyOf": [{"type": "string", "enum": ["a"], "title": "A"}, {"type": "null"}]}),
        ),
        (
            json!({"allOf": [{"type": "string", "minLength": 1}, {"maxLength": 3, "minLength": 2}]}),
            json!({"type": "string", "description": "[minLength: 2; maxLength: 3]"}),
        ),
        (
            json!({"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
                "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}),
            json!({"anyOf": [
                {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": ["string", "null"]}}, "required": ["x", "y"], "additionalProperties": false},
                {"type": "object", "properties": {"x": {"type": ["string", "null"]}, "y": {"type": "string"}}, "required": ["x", "y"], "additionalProperties": false},
            ]}),
        ),
        (
            json!({"type": ["array", "string"], "items": {"type": "string"}, "description": "d"}),
            json!({"description": "d", "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}),
            json!({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}),
        ),
    ] {
        assert_eq!(strict(schema.clone()), shown, "{schema}");
    }
    assert_eq!(
        notes(
            &with(json!({"type": "string", "not": {"const": "x"}, "if": {}, "then": {}})),
            Dialect::OpenAiStrict
        ),
        [
            "/properties/a: `not` was left out",
            "/properties/a: `if` was left out",
            "/properties/a: `then` was left out"
        ]
    );
}

#[test]
fn references_become_definitions() {
    let schema = json!({"type": "object", "required": ["n", "r"],
    "definitions": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}},
    "properties": {
        "n": {"$ref": "#/definitions/Node", "description": "The first"},
        "o": {"$ref": "#/definitions/Node"},
        "r": {"$ref": "#"},
    }});
    let done = adapted(&schema, Dialect::OpenAiStrict);
    assert_eq!(
        done["properties"],
        json!({
            "n": {"description": "The first", "anyOf": [{"$ref": "#/$defs/Node"}]},
            "o": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            "r": {"$ref": "#"},
        })
    );
    assert_eq!(
        done["$defs"],
        json!({"Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["next"], "additionalProperties": false}})
    );
    // two places whose names end alike
    let twins = json!({"type": "object", "$defs": {"A": {"type": "string"}}, "definitions": {"A": {"type": "integer"}},
        "properties": {"x": {"$ref": "#/$defs/A"}, "y": {"$ref": "#/definitions/A"}}, "required": ["x", "y"]});
    let done = adapted(&twins, Dialect::OpenAiStrict);
    assert_eq!(done["properties"], json!({"x": {"$ref": "#/$defs/A"}, "y": {"$ref": "#/$defs/A_2"}}));
    assert_eq!(done["$defs"], json!({"A": {"type": "string"}, "A_2": {"type": "integer"}}));
}

#[test]
fn what_strict_mode_cannot_say_is_refused() {
    let any = "it takes any value, and every value needs a type";
    let open = "it takes an object whose members have no fixed names";
    for (schema, path, reason) in [
        (with(json!({})), "/properties/a", any),
        (with(json!(true)), "/properties/a", any),
        (
            with(json!({"type": "array"})),
            "/properties/a",
            "it is a list of any values, and every value needs a type",
        ),
        (with(json!({"type": "array", "items": {}})), "/properties/a/items", any),
        (with(json!({"type": "object"})), "/properties/a", open),
        (with(json!({"additionalProperties": {"type": "string"}})), "/properties/a", open),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), "", open),
        (with(json!({"anyOf": [false]})), "/properties/a", "none of its alternatives can be satisfied"),
        (with(json!({"allOf": [false]})), "/properties/a", "its `allOf` can never be satisfied"),
    ] {
        assert_eq!(why(&schema, Dialect::OpenAiStrict), format!("{path}: {reason}"), "{schema}");
    }
    let mut deep = json!({"type": "string"});
    for _ in 0..10 {
        deep = json!({"type": "object", "properties": {"x": deep}, "required": ["x"]});
    }
    assert!(adapt(&deep, Dialect::OpenAiStrict).is_ok());
    assert_eq!(why(&with(deep), Dialect::OpenAiStrict), ": it has 11 nested levels; at most 10 are taken");
    let values = |count: usize, length: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("{n:0>length$}")).collect();
        with(json!({"enum": values}))
    };
    assert!(adapt(&values(1000, 4), Dialect::OpenAiStrict).is_ok());
    assert_eq!(
        why(&values(1001, 4), Dialect::OpenAiStrict),
        ": it has 1001 listed values; at most 1000 are taken"
    );
    assert_eq!(
        why(&values(300, 51), Dialect::OpenAiStrict),
        ": it has 15300 characters in one list of values; at most 15000 are taken"
    );
    assert_eq!(
        why(&values(200, 601), Dialect::OpenAiStrict),
        ": it has 120201 characters of names and values; at most 120000 are taken"
    );
}
