//! A look at a schema before anything runs over it: size, depth, dialect, references (protocol.md J1-J4).

use serde_json::{Map, Value};

use crate::limits::{ENUM_VALUES, PATTERN, SCHEMA_DEPTH, SUBSCHEMAS};
use domain::{
    json_schema::{LIST, MAP, ONE},
    text::quote,
};

const DIALECTS: &[&str] = &[
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];

/// # Errors
/// Why a tool with this schema is left out.
pub(crate) fn inspect(schema: &Value) -> Result<(), String> {
    let mut subschemas = 0usize;
    // Iterative, since the depth is what is being checked.
    let mut open: Vec<(&Value, usize)> = vec![(schema, 1)];
    while let Some((schema, depth)) = open.pop() {
        subschemas += 1;
        if subschemas > SUBSCHEMAS {
            return Err(format!("its schema is too complex: more than {SUBSCHEMAS} subschemas"));
        }
        if depth > SCHEMA_DEPTH {
            return Err(format!("its schema is too complex: nested more than {SCHEMA_DEPTH} deep"));
        }
        let object = match schema {
            Value::Object(object) => object,
            Value::Bool(_) => continue,
            _ => return Err("its schema has a part that is neither object nor boolean".into()),
        };
        inspect_object(object, depth == 1)?;
        for key in ONE {
            match object.get(*key) {
                Some(Value::Array(_)) if *key == "items" => {}
                Some(sub) => open.push((sub, depth + 1)),
                None => {}
            }
        }
        for key in LIST {
            if let Some(Value::Array(subs)) = object.get(*key) {
                open.extend(subs.iter().map(|sub| (sub, depth + 1)));
            }
        }
        for key in MAP {
            if let Some(Value::Object(subs)) = object.get(*key) {
                let schemas = subs.values().filter(|sub| !(sub.is_array() && *key == "dependencies"));
                open.extend(schemas.map(|sub| (sub, depth + 1)));
            }
        }
    }
    Ok(())
}

fn inspect_object(object: &Map<String, Value>, is_root: bool) -> Result<(), String> {
    if let Some(dialect) = object.get("$schema") {
        let text = dialect.as_str().unwrap_or_default();
        let bare = text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('#');
        if !DIALECTS.contains(&bare) {
            return Err(format!(
                "its schema uses the dialect \"{}\", which is not supported",
                quote(text, 100)
            ));
        }
    }
    for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
        match object.get(key) {
            None => {}
            Some(Value::String(target)) if target.starts_with('#') => {}
            Some(target) => {
                let target = quote(target.as_str().unwrap_or("something else than text"), 100);
                return Err(format!("its schema refers to {target}; schemas are not fetched"));
            }
        }
    }
    // A nested $id would move the base of every reference below it.
    if !is_root && (object.get("$id").or_else(|| object.get("id"))).is_some_and(is_resource) {
        return Err("its schema embeds another schema with an $id of its own, which is not supported".into());
    }
    if object.get("enum").and_then(Value::as_array).is_some_and(|values| values.len() > ENUM_VALUES) {
        return Err(format!("its schema is too complex: an enum of more than {ENUM_VALUES} values"));
    }
    let named = object.get("patternProperties").and_then(Value::as_object);
    let patterns = named.into_iter().flat_map(Map::keys).map(String::as_str);
    if patterns
        .chain(object.get("pattern").and_then(Value::as_str))
        .any(|text| text.chars().count() > PATTERN)
    {
        return Err(format!("its schema is too complex: a pattern of more than {PATTERN} characters"));
    }
    Ok(())
}

/// `id` is a property name as often as draft-04's keyword; only a URL that is no mere anchor moves the base.
fn is_resource(id: &Value) -> bool {
    id.as_str().is_some_and(|id| !id.starts_with('#') && id.contains("://"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_schemas_pass() {
        for schema in [
            json!({"type": "object"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"id": {"type": "string"}}}),
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/root",
                "type": "object", "properties": {"$ref": {"type": "string"}, "a": {"$ref": "#/$defs/a"}}, "$defs": {"a": true}}),
            json!({"type": "object", "dependencies": {"a": ["b"]}, "properties": {"list": {"items": [{"type": "string"}]}}}),
        ] {
            assert_eq!(inspect(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let mut deep = json!({"type": "string"});
        for _ in 0..40 {
            deep = json!({"type": "object", "properties": {"a": deep}});
        }
        let wide: Map<String, Value> = (0..2001).map(|n| (format!("p{n}"), json!({}))).collect();
        for (schema, why) in [
            (deep, "nested more than"),
            (json!({"properties": wide}), "subschemas"),
            (json!({"properties": {"a": {"enum": (0..1001).collect::<Vec<_>>()}}}), "enum"),
            (json!({"properties": {"a": {"pattern": "x".repeat(513)}}}), "pattern"),
            (json!({"patternProperties": {("x".repeat(513)): {}}}), "pattern"),
            (json!({"$schema": "https://evil.example/meta"}), "dialect"),
            (json!({"items": {"$ref": "other.json"}}), "not fetched"),
            (json!({"allOf": [{"$dynamicRef": "http://127.0.0.1/x"}]}), "not fetched"),
            (json!({"$defs": {"a": {"$id": "https://example.com/a", "$ref": "#/x"}}}), "$id"),
            (json!({"properties": {"a": 7}}), "neither object nor boolean"),
        ] {
            let error = inspect(&schema).expect_err(why);
            assert!(error.contains(why), "{error} / {why}");
        }
    }
}
