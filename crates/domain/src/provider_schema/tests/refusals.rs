//! What no provider can be told, and schemas that were made to hurt.

use super::*;
use std::time::{Duration, Instant};

#[test]
fn references_stay_within_the_document() {
    for (schema, reason) in [
        (
            with(json!({"$ref": "https://evil.example/s.json"})),
            "/properties/a: it refers to \"https://evil.example/s.json\", which is elsewhere and never fetched",
        ),
        (
            with(json!({"$ref": "other.json#/a"})),
            "/properties/a: it refers to \"other.json#/a\", which is elsewhere and never fetched",
        ),
        (
            with(json!({"$dynamicRef": "//x"})),
            "/properties/a: it refers to \"//x\", which is elsewhere and never fetched",
        ),
        (
            with(json!({"$ref": 5})),
            "/properties/a: it refers to \"something that is no text\", which is elsewhere and never fetched",
        ),
        (
            with(json!({"$ref": "#/$defs/missing"})),
            "/properties/a: it refers to \"#/$defs/missing\", which it does not contain",
        ),
        (
            with(json!({"$ref": "#nowhere"})),
            "/properties/a: it refers to \"#nowhere\", which it does not contain",
        ),
        (
            with(json!({"$ref": "#/required"})),
            "/properties/a: it refers to \"#/required\", which it does not contain",
        ),
        (
            with(json!({"$id": "https://x.example/own"})),
            "/properties/a: it embeds another schema with an `$id` of its own",
        ),
        (with(json!(5)), "/properties/a: a part of it is neither an object nor true or false"),
        (json!(5), ": a part of it is neither an object nor true or false"),
        (json!(false), ": it allows no arguments at all"),
        (json!({"type": "string"}), ": it describes something else than an object of arguments"),
        (json!({"allOf": [{"type": "array"}]}), ": it describes something else than an object of arguments"),
        // what it pointed into is gone
        (
            json!({"oneOf": [{"properties": {"a": {"$ref": "#/oneOf/0"}}}]}),
            "/properties/a: it refers to \"#/oneOf/0\", which it does not contain",
        ),
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(why(&schema, dialect), reason, "{dialect:?}");
        }
    }
}

#[test]
fn references_of_every_kind_are_found() {
    for (reference, extra) in [
        ("#/$defs/A", json!({})),
        ("#/%24defs/A", json!({})),
        ("#here", json!({})),
        ("https://x.example/s.json#/$defs/A", json!({"$id": "https://x.example/s.json"})),
        ("#/properties/b", json!({})),
    ] {
        let mut schema = json!({"type": "object", "$defs": {"A": {"type": "string", "$anchor": "here"}},
            "properties": {"a": {"$ref": reference}, "b": {"type": "string"}}, "required": ["a"]});
        schema.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(
            adapted(&schema, Dialect::Gemini)["properties"]["a"],
            json!({"type": "string"}),
            "{reference}"
        );
        let strict = adapted(&schema, Dialect::OpenAiStrict);
        let name = strict["properties"]["a"]["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap();
        assert_eq!(strict["$defs"][name], json!({"type": "string"}), "{reference}");
    }
}

#[test]
fn bombs_end_quickly_in_every_dialect() {
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    let wide: serde_json::Map<String, Value> =
        (0..5000).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
    // every level twice: 2^30 when written out
    let doubled = |keyword: &str| {
        let level = |n: usize| {
            let next = json!({"$ref": format!("#/$defs/L{}", n + 1)});
            match keyword {
                "properties" => json!({"type": "object", "properties": {"l": next, "r": next}}),
                _ => json!({keyword: [next, {"title": "r", "$ref": format!("#/$defs/L{}", n + 1)}]}),
            }
        };
        let mut levels: serde_json::Map<String, Value> =
            (0..30).map(|n| (format!("L{n}"), level(n))).collect();
        levels.insert("L30".into(), json!({"type": "object", "properties": {"x": {"type": "string"}}}));
        json!({"type": "object", "$defs": levels, "properties": {"a": {"$ref": "#/$defs/L0"}}, "allOf": [{"$ref": "#/$defs/L0"}]})
    };
    let circle = json!({"type": "object", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/B"}]}, "B": {"allOf": [{"$ref": "#/$defs/A"}]},
        "C": {"$ref": "#/$defs/C"}, "D": {"type": "object", "properties": {"x": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/D"}]}},
        "properties": {"a": {"$ref": "#/$defs/A"}, "c": {"$ref": "#/$defs/C"}, "d": {"$ref": "#/$defs/D"}}, "anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/D"}]});
    let text = "t".repeat(60_000);
    let heavy: serde_json::Map<String, Value> =
        (0..1000).map(|n| (format!("p{n}"), json!({"$ref": "#/$defs/T"}))).collect();
    let heavy = json!({"type": "object", "$defs": {"T": {"type": "string", "description": text}}, "properties": heavy});

    for (name, schema, refused) in [
        ("deep", deep, Some(": it is nested more than 64 levels deep")),
        ("wide", json!({"type": "object", "properties": wide}), Some(": it has more than 4000 parts")),
        ("properties", doubled("properties"), None),
        ("allOf", doubled("allOf"), None),
        ("anyOf", doubled("anyOf"), None),
        ("oneOf", doubled("oneOf"), None),
        ("circle", circle, None),
        ("heavy", heavy, None),
    ] {
        for dialect in Dialect::ALL {
            let begun = Instant::now();
            let outcome = adapt(&schema, dialect);
            assert!(
                begun.elapsed() < Duration::from_secs(2),
                "{name} in {dialect:?} took {:?}",
                begun.elapsed()
            );
            if let Some(refused) = refused {
                assert_eq!(why(&schema, dialect), refused);
            }
            if let Ok(adapted) = outcome {
                assert!(adapted.schema.to_string().len() < 4 << 20, "{name} in {dialect:?}");
                assert!(adapted.notes.len() <= 50);
            }
        }
    }
}
