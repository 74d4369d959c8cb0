//! One file per question: what each dialect makes of a schema, what it refuses, what holds for any schema.

use super::*;
use serde_json::json;

mod gemini;
mod plain;
mod properties;
mod refusals;
mod strict;

fn adapted(schema: &Value, dialect: Dialect) -> Value {
    adapt(schema, dialect).unwrap_or_else(|refused| panic!("{dialect:?} of {schema}: {refused}")).schema
}

fn notes(schema: &Value, dialect: Dialect) -> Vec<String> {
    let adapted = adapt(schema, dialect).unwrap();
    adapted.notes.into_iter().map(|note| format!("{}: {}", note.path, note.text)).collect()
}

fn why(schema: &Value, dialect: Dialect) -> String {
    let refused = adapt(schema, dialect).unwrap_err();
    format!("{}: {}", refused.path, refused.why)
}

/// A tool with one argument.
fn with(property: Value) -> Value {
    json!({"type": "object", "properties": {"a": property}, "required": ["a"]})
}

#[test]
fn lints_say_who_refuses_what_and_the_worst_first() {
    let schema = json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        "properties": {"a": {"type": "string"}, "b": {"type": "object"}, "$top": {"type": "integer"}}});
    let lints = lint("1st__tool", &"x".repeat(1025), &schema);
    let texts: Vec<(Dialect, Severity, &str, &str)> = lints
        .iter()
        .map(|lint| (lint.dialect, lint.severity, lint.path.as_str(), lint.text.as_str()))
        .collect();
    let alternatives =
        "in its schema: the alternatives under `anyOf` at the root became arguments that may all be given.";
    assert_eq!(
        texts,
        [
            (
                Dialect::OpenAiStrict,
                Severity::Refused,
                "/properties/b",
                "OpenAI in strict mode would refuse this tool, at /properties/b: it takes an object whose members have no fixed names."
            ),
            (
                Dialect::Gemini,
                Severity::Refused,
                "",
                "Gemini would refuse this tool: its name does not begin with a letter or `_`; a slug that begins with a letter mends that."
            ),
            (Dialect::OpenAi, Severity::Reduced, "", &format!("For OpenAI, {alternatives}")),
            (Dialect::Anthropic, Severity::Reduced, "", &format!("For Anthropic, {alternatives}")),
            (
                Dialect::Anthropic,
                Severity::Reduced,
                "/properties/$top",
                "For Anthropic, at /properties/$top: the optional argument \"$top\" was left out because of its name."
            ),
            (Dialect::Gemini, Severity::Reduced, "", &format!("For Gemini, {alternatives}")),
            (
                Dialect::OpenAi,
                Severity::Hint,
                "",
                "Some servers of the OpenAI dialect refuse descriptions of more than 1024 characters."
            ),
        ]
    );
    assert_eq!(lint("acme__list", "Lists.", &with(json!({"type": "string"}))), []);
    for name in ["", "a b", "ä", &"x".repeat(65)] {
        assert_eq!(lint(name, "", &json!({"type": "object"})).len(), 4, "{name}");
    }
}

#[test]
fn added_nulls_go_and_real_ones_stay() {
    let schema = json!({
        "type": "object",
        "required": ["must"],
        "$defs": {"Text": {"type": "string"}, "Maybe": {"anyOf": [{"$ref": "#/$defs/Text"}, {"type": "null"}]}},
        "properties": {
            "must": {"type": "string"},
            "text": {"type": "string"},
            "list": {"enum": ["a", "b"]},
            "listed": {"enum": ["a", null]},
            "both": {"type": ["string", "null"]},
            "any": {},
            "ref": {"$ref": "#/$defs/Text"},
            "maybe": {"$ref": "#/$defs/Maybe"},
            "deep": {"type": "object", "properties": {"x": {"type": "integer"}}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {"y": {"type": "integer"}}}},
        },
        "anyOf": [{"properties": {"branch": {"type": "string"}}}],
    });
    let arguments = json!({
        "must": null, "text": null, "list": null, "listed": null, "both": null, "any": null, "ref": null, "maybe": null,
        "deep": {"x": null, "z": null}, "rows": [{"y": null}, {"y": 1}], "branch": null, "unknown": null,
    });
    assert_eq!(
        without_added_nulls(arguments, &schema),
        json!({"must": null, "listed": null, "both": null, "any": null, "maybe": null, "deep": {"z": null}, "rows": [{}, {"y": 1}],
            "unknown": null})
    );
    let endless = json!({"$defs": {"A": {"$ref": "#/$defs/A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}});
    assert_eq!(without_added_nulls(json!({"a": null}), &endless), json!({"a": null}));
}
