//! What holds for any schema, good or not.

use super::*;
use proptest::prelude::*;
use serde_json::Map;

/// Values that a keyword may or may not have.
fn anything() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(3),
        json!(-1),
        json!(0.5),
        json!(""),
        json!("text"),
        json!("date-time"),
        json!([]),
        json!(["a", "b"]),
        json!(["a", "a", null, 5]),
        json!({}),
        json!({"a": 1}),
    ])
}

fn kind() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("string"),
        json!("integer"),
        json!("number"),
        json!("boolean"),
        json!("null"),
        json!("object"),
        json!("array"),
        json!(["string", "null"]),
        json!(["array", "object"]),
        json!("any"),
        json!([]),
        json!(["string", "string"]),
    ])
}

fn schema() -> impl Strategy<Value = Value> {
    let plain = prop::sample::select(vec![
        "enum",
        "const",
        "default",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "pattern",
        "format",
        "title",
        "description",
        "required",
        "uniqueItems",
        "examples",
        "multipleOf",
        "additionalProperties",
        "items",
        "minItems",
        "dependencies",
        "nullable",
        "dependentRequired",
        "$anchor",
        "x-other",
    ]);
    let reference =
        prop::sample::select(vec!["#", "#/$defs/A", "#/$defs/B", "#/properties/p", "#/$defs/A/properties/p"]);
    let leaf = prop_oneof![
        6 => (prop::option::of(kind()), prop::collection::vec((plain, anything()), 0..4)).prop_map(|(kind, keywords)| {
            let kind = kind.map(|kind| ("type", kind));
            Value::Object(keywords.into_iter().chain(kind).map(|(key, value)| (key.to_owned(), value)).collect())
        }),
        1 => any::<bool>().prop_map(Value::from),
        2 => reference.prop_map(|reference| json!({"$ref": reference})),
        1 => Just(json!({"$ref": "#/$defs/B", "description": "beside", "minLength": 1})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems", "items"]);
        let one = prop::sample::select(vec!["items", "not", "additionalProperties", "if", "contains"]);
        let named = prop::sample::select(vec!["properties", "patternProperties", "dependentSchemas", "dependencies"]);
        let name = prop::sample::select(vec!["p", "q", "$top", "größe"]);
        let part = prop_oneof![
            3 => (named, prop::collection::vec((name, inner.clone()), 0..3)).prop_map(|(key, members)| {
                (key, Value::Object(members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect()))
            }),
            2 => (list, prop::collection::vec(inner.clone(), 0..3)).prop_map(|(key, parts)| (key, Value::Array(parts))),
            2 => (one, inner.clone()),
        ];
        (inner, prop::collection::vec(part, 1..3)).prop_map(|(base, parts)| {
            let mut base = if let Value::Object(base) = base { base } else { Map::new() };
            base.extend(parts.into_iter().map(|(key, value)| (key.to_owned(), value)));
            Value::Object(base)
        })
    })
}

fn tool() -> impl Strategy<Value = Value> {
    (schema(), schema(), schema(), prop::collection::vec(schema(), 2)).prop_map(
        |(root, p, a, definitions)| {
            let mut root = if let Value::Object(root) = root { root } else { Map::new() };
            // So that most of them get through.
            root.insert("type".to_owned(), json!("object"));
            let properties = root.entry("properties").or_insert_with(|| json!({}));
            properties["p"] = p;
            properties["a"] = a;
            root.insert(
                "$defs".to_owned(),
                json!({"A": {"properties": {"p": definitions[0]}}, "B": definitions[1]}),
            );
            Value::Object(root)
        },
    )
}

/// Goes through every subschema of what was adapted.
fn each(schema: &Value, check: &mut dyn FnMut(&Map<String, Value>)) {
    let Value::Object(object) = schema else { return };
    check(object);
    let mut copy = object.clone();
    walk::each_child(&mut copy, "", &mut |child, _| each(child, check));
}

fn check_openai(root: &Value) {
    assert_eq!(root["type"], "object");
    assert!(root["properties"].is_object());
    for keyword in ["oneOf", "anyOf", "allOf", "enum", "const", "not"] {
        assert!(root.get(keyword).is_none(), "{keyword} in {root}");
    }
    assert!(jsonschema::draft202012::meta::is_valid(root), "no valid 2020-12: {root}");
    each(root, &mut |part| {
        let is_list = part.get("type").is_some_and(|kind| kind == "array");
        assert!(!is_list || part.contains_key("items"), "{root}");
    });
}

fn check_strict(root: &Value) {
    const KNOWN: [&str; 19] = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "title",
        "description",
        "$ref",
        "$defs",
        "pattern",
        "format",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
    ];
    assert!(root["type"] == "object" && root.get("anyOf").is_none(), "{root}");
    each(root, &mut |part| {
        assert!(part.keys().all(|key| KNOWN.contains(&key.as_str()) || key == "maxItems"), "{part:?}");
        assert!(["type", "anyOf", "$ref"].iter().any(|key| part.contains_key(*key)), "{part:?} in {root}");
        if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            assert_eq!(part.len(), 1, "{root}");
            assert!(
                reference == "#"
                    || reference.starts_with("#/$defs/") && root.pointer(&reference[1..]).is_some(),
                "{root}"
            );
        }
        if part.get("type").is_some_and(|kind| kind == "object") {
            let names: Vec<&String> = part["properties"].as_object().unwrap().keys().collect();
            assert_eq!(
                (json!(names), &part["additionalProperties"]),
                (part["required"].clone(), &json!(false)),
                "{root}"
            );
        }
        if part.get("type").is_some_and(|kind| kind == "array") {
            assert!(part["items"].is_object(), "{root}");
        }
    });
    assert!(jsonschema::draft202012::meta::is_valid(root), "{root}");
}

fn check_gemini(root: &Value) {
    const KNOWN: [&str; 15] = [
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "description",
        "nullable",
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
    ];
    each(root, &mut |part| {
        if part.contains_key("anyOf") {
            assert_eq!(part.len(), 1, "any_of stands alone: {root}");
            return;
        }
        let is = |name: &str| part["type"] == name;
        assert!(part["type"].is_string(), "{part:?} in {root}");
        assert!(
            part.keys()
                .all(|key| KNOWN.contains(&key.as_str()) || key == "minProperties" || key == "maxProperties"),
            "{part:?}"
        );
        if let Some(values) = part.get("enum") {
            let texts = values.as_array().unwrap();
            assert!(
                is("string")
                    && !texts.is_empty()
                    && texts.iter().all(|text| !text.as_str().unwrap().is_empty()),
                "{root}"
            );
        }
        let properties = part.get("properties").map(|properties| properties.as_object().unwrap());
        assert!(properties.is_none_or(|properties| is("object") && !properties.is_empty()), "{root}");
        for name in part.get("required").and_then(Value::as_array).into_iter().flatten() {
            assert!(properties.unwrap().contains_key(name.as_str().unwrap()), "{root}");
        }
        assert_eq!(part.contains_key("items"), is("array"), "{root}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn what_is_adapted_is_of_its_dialect(schema in tool()) {
        let before = schema.clone();
        for dialect in Dialect::ALL {
            let Ok(done) = adapt(&schema, dialect) else { continue };
            match dialect {
                Dialect::OpenAi => check_openai(&done.schema),
                Dialect::Anthropic => {
                    check_openai(&with_items(done.schema.clone()));
                    let names: Vec<&String> = done.schema["properties"].as_object().unwrap().keys().collect();
                    prop_assert!(names.iter().all(|name| name.is_ascii() && !name.contains('$')));
                }
                Dialect::OpenAiStrict => check_strict(&done.schema),
                Dialect::Gemini => check_gemini(&done.schema),
            }
            // What was adapted once needs no more of it.
            if dialect != Dialect::Gemini {
                prop_assert_eq!(&adapt(&done.schema, dialect).unwrap().schema, &done.schema, "{:?}", dialect);
            }
            for note in &done.notes {
                prop_assert!(note.path.is_empty() || note.path.starts_with('/'));
            }
        }
        prop_assert_eq!(schema, before);
    }
}

/// Anthropic takes lists without `items`.
fn with_items(schema: Value) -> Value {
    openai::adapt(schema, &mut Notes::default())
}
