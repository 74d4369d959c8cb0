//! OpenAI without strict mode, and Anthropic.

use super::*;

const BOTH: [Dialect; 2] = [Dialect::OpenAi, Dialect::Anthropic];

#[test]
fn ordinary_schemas_pass_whole() {
    for schema in [
        json!({"type": "object", "properties": {}}),
        json!({
            "type": "object",
            "description": "What to list.",
            "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "top": {"$ref": "#"}}}},
            "properties": {
                "q": {"type": "string", "minLength": 1, "pattern": "^a", "default": "a", "examples": ["ab"]},
                "n": {"type": ["integer", "null"], "exclusiveMinimum": 0},
                "list": {"type": "array", "prefixItems": [{"type": "string"}], "items": false, "uniqueItems": true},
                "either": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/Node"}]},
                "all": {"allOf": [{"type": "string"}, {"not": {"const": "x"}}]},
                "map": {"type": "object", "additionalProperties": {"type": "string"}, "patternProperties": {"^x": true}},
                "if": {"if": {"const": 1}, "then": {"const": 1}, "else": true},
            },
            "required": ["q"],
            "additionalProperties": false,
            "dependentRequired": {"n": ["q"]},
        }),
    ] {
        for dialect in BOTH {
            let before = schema.clone();
            let done = adapt(&schema, dialect).unwrap();
            assert_eq!((&done.schema, done.notes), (&schema, vec![]), "{dialect:?}");
            assert_eq!(schema, before);
        }
    }
}

#[test]
fn the_root_becomes_an_object_without_alternatives() {
    let text = json!({"type": "string"});
    for (schema, root) in [
        (json!(true), json!({"type": "object", "properties": {}})),
        (json!({}), json!({"type": "object", "properties": {}})),
        (json!({"type": "object"}), json!({"type": "object", "properties": {}})),
        (json!({"type": ["object", "null"]}), json!({"type": "object", "properties": {}})),
        (
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": text}}}}),
            json!({"$defs": {"A": {"type": "object", "properties": {"a": text}}}, "type": "object", "properties": {"a": text}}),
        ),
        (
            json!({"type": "object", "properties": {"a": text, "b": text}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"type": "object", "properties": {"a": text, "b": text},
                "description": "At least one of these is needed: a; or b."}),
        ),
        (
            json!({"description": "Find.", "oneOf": [
                {"type": "object", "properties": {"id": text, "kind": {"const": "x"}}, "required": ["kind", "id"]},
                {"type": "object", "properties": {"name": text, "kind": {"const": "y"}}, "required": ["kind", "name"]},
            ]}),
            json!({"description": "Find. Exactly one of these is needed: kind with id; or kind with name.",
                "properties": {"id": text, "kind": {"anyOf": [{"const": "x"}, {"const": "y"}]}, "name": text},
                "required": ["kind"], "type": "object"}),
        ),
        (
            json!({"type": "object", "allOf": [{"properties": {"a": text}, "required": ["a"]}, {"properties": {"b": text}}]}),
            json!({"type": "object", "properties": {"a": text, "b": text}, "required": ["a"]}),
        ),
        (
            json!({"type": "object", "not": {"required": ["x"]}, "enum": [{}], "const": {}}),
            json!({"type": "object", "properties": {}}),
        ),
        // refers to itself at once
        (json!({"$ref": "#"}), json!({"type": "object", "properties": {}})),
    ] {
        for dialect in BOTH {
            assert_eq!(adapted(&schema, dialect), root, "{dialect:?} of {schema}");
        }
    }
    assert_eq!(
        notes(&json!({"allOf": [{"anyOf": [{"required": ["a"]}]}], "not": {}}), Dialect::OpenAi),
        [
            ": the alternatives under `anyOf` at the root became arguments that may all be given",
            ": `not` at the root was left out"
        ]
    );
}

#[test]
fn older_drafts_become_the_newest() {
    for (old, new) in [
        (
            json!({"type": "array", "items": [{"type": "string"}, true], "additionalItems": false}),
            json!({"type": "array", "prefixItems": [{"type": "string"}, true], "items": false}),
        ),
        (
            json!({"type": "array", "items": {}, "additionalItems": false}),
            json!({"type": "array", "items": {}}),
        ),
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false}),
            json!({"type": "integer", "maximum": 5, "exclusiveMinimum": 1}),
        ),
        (
            json!({"type": "object", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            json!({"type": "object", "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}),
        ),
        (json!({"type": "string", "required": true}), json!({"type": "string"})),
        (json!({"type": "object", "required": ["a", 1, "a"]}), json!({"type": "object", "required": ["a"]})),
        (json!({"type": "any", "$comment": "x"}), json!({})),
        (json!({"type": ["string", "any", "string"]}), json!({"type": ["string"]})),
        (json!({"type": "string", "enum": [], "pattern": 5, "minLength": -1}), json!({"type": "string"})),
        (json!({"type": "string", "$id": "#here"}), json!({"type": "string", "$anchor": "here"})),
        (json!({"type": "array"}), json!({"type": "array", "items": {}})),
        (json!({"type": ["array", "null"]}), json!({"type": ["array", "null"], "items": {}})),
    ] {
        assert_eq!(adapted(&with(old.clone()), Dialect::OpenAi), with(new), "{old}");
    }
    let named = json!({"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://x.example/s.json", "type": "object",
        "definitions": {"A": {"type": "string"}},
        "properties": {"a": {"$ref": "https://x.example/s.json#/definitions/A"}, "b": {"$recursiveRef": "#"}}});
    assert_eq!(
        adapted(&named, Dialect::Anthropic),
        json!({"type": "object", "definitions": {"A": {"type": "string"}},
            "properties": {"a": {"$ref": "#/definitions/A"}, "b": {"$ref": "#"}}})
    );
    assert_eq!(
        notes(&with(json!({"type": "text", "enum": 5})), Dialect::OpenAi),
        [
            "/properties/a: its `type` is none that JSON Schema knows and was left out",
            "/properties/a: `enum` has a value that it cannot have and was left out"
        ]
    );
    // names of arguments are no keywords, and data is no schema
    let names = json!({"type": "object", "properties": {"type": {"type": "string"}, "items": {"const": {"items": [1], "type": "any"}},
        "required": {"default": {"$schema": 1}}}});
    assert_eq!(adapted(&names, Dialect::OpenAi), names);
}

#[test]
fn anthropic_takes_plain_argument_names_at_the_root() {
    let long = "x".repeat(65);
    let schema = json!({"type": "object", "required": ["a.b-C_1"],
        "properties": {"a.b-C_1": {"properties": {"$deep": {}}}, "filter[id]": {}, "": {}, long.clone(): {}, "größe": {}}});
    let done = adapt(&schema, Dialect::Anthropic).unwrap();
    assert_eq!(done.schema["properties"], json!({"a.b-C_1": {"properties": {"$deep": {}}}}));
    let paths: Vec<String> = done.notes.into_iter().map(|note| note.path).collect();
    assert_eq!(
        paths,
        ["/properties/filter[id]", "/properties/", &format!("/properties/{long}"), "/properties/größe"]
    );
    assert_eq!(adapted(&schema, Dialect::OpenAi), schema);
    let needed = json!({"type": "object", "properties": {"$top": {}}, "required": ["$top"]});
    assert!(
        why(&needed, Dialect::Anthropic)
            .starts_with("/properties/$top: its required argument \"$top\" has a name")
    );
}
