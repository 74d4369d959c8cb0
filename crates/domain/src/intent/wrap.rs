//! The schema the model sees when `model_intent` is on.

use super::{INTENT_KEY, PROPERTIES_KEY};
use crate::{
    json_schema::{DATA, MAP},
    limits::SCHEMA_WALK_DEPTH,
};
use serde_json::{Map, Value, json};

/// Teaches the model; the system prompt does not change (behaviour 14).
const INTENT_DESCRIPTION: &str = "Why this tool is used now, as a short plain-English phrase that begins with a present \
participle. It is shown to the user while the tool runs. Use no underscores, no tool names and no technical jargon; stay under \
100 characters. Examples: \"Listing open issues in the web project\", \"Looking up who is on call tonight\", \"Creating \
a ticket for the login error\".";

/// Where the tool's own schema stands in the wrapped one, as a JSON pointer fragment (RFC 6901, 6).
const INNER: &str = "#/properties/properties";

/// Keywords under which definitions stand; they move to the root with their names, so references to them stay as they are.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// An object of two required members: `model_intent` and, under `properties`, the tool's own schema. Definitions are lifted to the
/// root, and other references within the schema are turned to its new place, so each still means what it meant.
pub fn wrap_schema(schema: &Value) -> Value {
    let mut inner = schema.clone();
    let mut lifted = Map::new();
    if let Value::Object(root) = &mut inner {
        // With its `$id` the inner schema would be a document of its own, which providers cannot follow.
        let id = match root.get("$id") {
            Some(Value::String(id)) if !id.starts_with('#') => {
                let id = id.trim_end_matches('#').to_owned();
                root.shift_remove("$id");
                Some(id)
            }
            _ => None,
        };
        let dialect = root.shift_remove("$schema");
        turn_references(root, id.as_deref(), 0);
        if let Some(dialect) = dialect {
            lifted.insert("$schema".to_owned(), dialect);
        }
        for name in DEFINITIONS {
            if root.get(name).is_some_and(Value::is_object)
                && let Some(definitions) = root.shift_remove(name)
            {
                lifted.insert(name.to_owned(), definitions);
            }
        }
    }
    let mut wrapped = json!({
        "type": "object",
        "properties": {
            INTENT_KEY: { "type": "string", "description": INTENT_DESCRIPTION },
            PROPERTIES_KEY: inner,
        },
        "required": [INTENT_KEY, PROPERTIES_KEY],
        "additionalProperties": false,
    });
    if let Value::Object(root) = &mut wrapped {
        root.extend(lifted);
    }
    wrapped
}

fn turn_references(schema: &mut Map<String, Value>, id: Option<&str>, depth: usize) {
    if let Some(Value::String(reference)) = schema.get_mut("$ref")
        && let Some(turned) = turned(reference, id)
    {
        *reference = turned;
    }
    // Draft 2019-09: always `#`, the root of the document, which is now elsewhere.
    if schema.get("$recursiveRef").is_some_and(|reference| reference == "#") {
        schema.shift_remove("$recursiveRef");
        schema.entry("$ref").or_insert_with(|| INNER.into());
    }
    for (keyword, value) in schema.iter_mut() {
        if DATA.contains(&keyword.as_str()) {
            continue;
        }
        match value {
            Value::Object(named) if MAP.contains(&keyword.as_str()) => {
                named.values_mut().for_each(|value| turn_value(value, id, depth + 1));
            }
            other => turn_value(other, id, depth + 1),
        }
    }
}

fn turn_value(value: &mut Value, id: Option<&str>, depth: usize) {
    if depth > SCHEMA_WALK_DEPTH {
        return;
    }
    match value {
        // A schema with its own `$id` is a document of its own: its references mean its own root and stay right.
        Value::Object(schema)
            if schema.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) => {}
        Value::Object(schema) => turn_references(schema, id, depth),
        Value::Array(items) => items.iter_mut().for_each(|item| turn_value(item, id, depth + 1)),
        _ => {}
    }
}

/// Where a reference points now; `None` when it stays as it is.
fn turned(reference: &str, id: Option<&str>) -> Option<String> {
    // The schema may call itself by its full name, which is gone.
    let by_name =
        id.and_then(|id| reference.strip_prefix(id)).filter(|rest| rest.is_empty() || rest.starts_with('#'));
    let fragment = by_name.unwrap_or(reference);
    let turned = match fragment {
        "" if by_name.is_some() => INNER.to_owned(),
        "#" | "#/" => fragment.replacen('#', INNER, 1),
        _ if DEFINITIONS.iter().any(|name| {
            fragment
                .strip_prefix("#/")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('/'))
        }) =>
        {
            fragment.to_owned()
        }
        _ if fragment.starts_with("#/") => fragment.replacen('#', INNER, 1),
        // Anchors name their target wherever it stands.
        _ => fragment.to_owned(),
    };
    (turned != reference).then_some(turned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inner(wrapped: &Value) -> &Value {
        &wrapped["properties"]["properties"]
    }

    #[test]
    fn a_plain_schema_passes_whole() {
        let schema = json!({
            "type": "object",
            "description": "What to list.",
            "properties": {"q": {"type": "string", "description": "Words"}, "n": {"type": "integer", "minimum": 1}},
            "required": ["q"],
            "additionalProperties": false,
            "oneOf": [{"required": ["q"]}, {"required": ["n"]}],
        });
        let wrapped = wrap_schema(&schema);
        assert_eq!(inner(&wrapped), &schema);
        assert_eq!(wrapped["required"], json!(["model_intent", "properties"]));
        assert_eq!(wrapped["properties"]["model_intent"]["type"], "string");
        assert_eq!(wrapped["type"], "object");
        let order: Vec<_> = wrapped["properties"].as_object().unwrap().keys().collect();
        assert_eq!(order, ["model_intent", "properties"], "the intent streams first");
    }

    #[test]
    fn the_description_keeps_its_promises() {
        for word in ["present participle", "100 characters", "underscores", "jargon", "Examples"] {
            assert!(INTENT_DESCRIPTION.contains(word), "{word}");
        }
        assert!(!INTENT_DESCRIPTION.contains("  "), "the line breaks of the source must not show");
    }

    #[test]
    fn definitions_are_lifted_and_references_still_resolve() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "top": {"$ref": "#"}}}},
            "definitions": {"Old": {"type": "string"}},
            "properties": {
                "node": {"$ref": "#/$defs/Node"},
                "old": {"$ref": "#/definitions/Old"},
                "same": {"$ref": "#/properties/node"},
                "items": {"type": "array", "items": {"anyOf": [{"$ref": "#/properties/old"}, {"$ref": "#anchor"}]}},
                "away": {"$ref": "https://example.com/other.json#/a"},
            },
        });
        let wrapped = wrap_schema(&schema);
        assert_eq!(wrapped["$schema"], schema["$schema"]);
        assert_eq!(wrapped["definitions"], schema["definitions"]);
        assert_eq!(wrapped["$defs"]["Node"]["properties"]["next"]["$ref"], "#/$defs/Node");
        assert_eq!(wrapped["$defs"]["Node"]["properties"]["top"]["$ref"], "#/properties/properties");
        let own = inner(&wrapped);
        assert!(
            own.get("$defs").is_none() && own.get("definitions").is_none() && own.get("$schema").is_none()
        );
        assert_eq!(own["properties"]["node"]["$ref"], "#/$defs/Node");
        assert_eq!(own["properties"]["same"]["$ref"], "#/properties/properties/properties/node");
        let any_of = &own["properties"]["items"]["items"]["anyOf"];
        assert_eq!(any_of[0]["$ref"], "#/properties/properties/properties/old");
        assert_eq!(any_of[1]["$ref"], "#anchor");
        assert_eq!(own["properties"]["away"]["$ref"], "https://example.com/other.json#/a");
    }

    #[test]
    fn data_and_names_that_look_like_references_are_left_alone() {
        let schema = json!({
            "properties": {
                "$ref": {"type": "string"},
                "default": {"$ref": "#/properties/x"},
                "x": {"const": {"$ref": "#/a"}, "enum": [{"$ref": "#/b"}], "default": {"$ref": "#"}, "examples": [{"$ref": "#"}]},
            },
        });
        let wrapped = wrap_schema(&schema);
        let own = &inner(&wrapped)["properties"];
        assert_eq!(own["$ref"], json!({"type": "string"}));
        assert_eq!(own["x"], schema["properties"]["x"]);
        assert_eq!(own["default"]["$ref"], "#/properties/properties/properties/x");
    }

    #[test]
    fn documents_with_a_name() {
        let schema = json!({
            "$id": "https://example.com/tool.json",
            "$defs": {
                "A": {"type": "string"},
                "Own": {"$id": "https://example.com/own.json", "properties": {"self": {"$ref": "#"}}},
            },
            "properties": {
                "a": {"$ref": "https://example.com/tool.json#/$defs/A"},
                "me": {"$ref": "https://example.com/tool.json"},
                "near": {"$ref": "https://example.com/tool.json5"},
            },
        });
        let wrapped = wrap_schema(&schema);
        let own = inner(&wrapped);
        assert!(own.get("$id").is_none());
        assert_eq!(own["properties"]["a"]["$ref"], "#/$defs/A");
        assert_eq!(own["properties"]["me"]["$ref"], "#/properties/properties");
        assert_eq!(own["properties"]["near"]["$ref"], "https://example.com/tool.json5");
        assert_eq!(wrapped["$defs"]["Own"], schema["$defs"]["Own"]);
    }

    #[test]
    fn odd_roots_are_wrapped_as_they_are() {
        for schema in
            [json!(true), json!({}), json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}})]
        {
            let wrapped = wrap_schema(&schema);
            assert_eq!(wrapped["required"], json!(["model_intent", "properties"]), "{schema}");
        }
        assert_eq!(inner(&wrap_schema(&json!(true))), &json!(true));
        assert_eq!(
            inner(&wrap_schema(&json!({"$recursiveRef": "#"}))),
            &json!({"$ref": "#/properties/properties"})
        );
    }

    #[test]
    fn a_very_deep_schema_does_not_overflow() {
        let mut schema = json!({"$ref": "#"});
        for _ in 0..400 {
            schema = json!({"not": schema});
        }
        let wrapped = wrap_schema(&schema);
        assert_eq!(wrapped["type"], "object");
    }

    /// What a local reference points at in `root`.
    fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
        root.pointer(reference.strip_prefix('#')?)
    }

    proptest! {
        /// Wherever a pointer led before, it leads to the same schema after, apart from the references turned inside it.
        #[test]
        fn every_pointer_leads_where_it_led(pick in prop::sample::select(vec![
            "#", "#/$defs/A", "#/$defs/A/properties/x", "#/definitions/B", "#/properties/p", "#/properties/p/items", "#/$defsish/A", "#/allOf/0",
        ])) {
            let schema = json!({
                "title": "root",
                "$defs": {"A": {"title": "A", "properties": {"x": {"title": "A.x"}}}},
                "definitions": {"B": {"title": "B"}},
                "$defsish": {"A": {"title": "odd"}},
                "allOf": [{"title": "first"}],
                "properties": {"p": {"title": "p", "items": {"title": "p.items"}}, "use": {"$ref": pick}},
            });
            let wrapped = wrap_schema(&schema);
            let reference = inner(&wrapped)["properties"]["use"]["$ref"].as_str().unwrap();
            let (before, after) = (target(&schema, pick).unwrap(), target(&wrapped, reference).unwrap());
            prop_assert_eq!(&before["title"], &after["title"]);
        }
    }
}
