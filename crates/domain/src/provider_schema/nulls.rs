//! The way back from strict mode.

use super::reduce::written_out;
use crate::limits::{PROVIDER_SCHEMA_DEPTH, PROVIDER_SCHEMA_HOPS};
use serde_json::{Map, Value};

/// Takes the nulls out of a call's arguments that strict mode made of optional members: the tool never offered them, and its own schema
/// would refuse them. A null that the tool's schema takes, or that stands for a required member, stays.
pub fn without_added_nulls(arguments: Value, original: &Value) -> Value {
    cleaned(arguments, original, original, 0)
}

fn cleaned(value: Value, schema: &Value, document: &Value, depth: usize) -> Value {
    let Some(Value::Object(schema)) =
        written_out(schema, document).filter(|_| depth <= PROVIDER_SCHEMA_DEPTH)
    else {
        return value;
    };
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, member)| {
                let Some(property) = property(schema, &name, document, 0) else {
                    return Some((name, member));
                };
                if member.is_null() && !is_required(schema, &name) && !takes_null(property, document, 0) {
                    return None;
                }
                Some((name, cleaned(member, property, document, depth + 1)))
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => match schema.get("items") {
            Some(kind) => items.into_iter().map(|item| cleaned(item, kind, document, depth + 1)).collect(),
            None => Value::Array(items),
        },
        other => other,
    }
}

/// What is said of a member here or in a part of a combinator; the first that says something.
fn property<'a>(
    schema: &'a Map<String, Value>,
    name: &str,
    document: &'a Value,
    depth: usize,
) -> Option<&'a Value> {
    if let Some(property) = schema.get("properties").and_then(|properties| properties.get(name)) {
        return Some(property);
    }
    if depth > PROVIDER_SCHEMA_HOPS {
        return None;
    }
    let parts = ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten();
    parts
        .filter_map(|part| written_out(part, document)?.as_object())
        .find_map(|part| property(part, name, document, depth + 1))
}

fn is_required(schema: &Map<String, Value>, name: &str) -> bool {
    schema
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| names.iter().any(|known| known == name))
}

/// In doubt yes: a null too many is refused with a clear text, one too few changes a call.
fn takes_null(schema: &Value, document: &Value, depth: usize) -> bool {
    let Some(Value::Object(schema)) = written_out(schema, document).filter(|_| depth <= PROVIDER_SCHEMA_HOPS)
    else {
        return true;
    };
    let any = |keyword: &str| {
        schema
            .get(keyword)
            .and_then(Value::as_array)
            .is_none_or(|parts| parts.iter().any(|part| takes_null(part, document, depth + 1)))
    };
    let by_type = match schema.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().any(|name| name == "null"),
        Some(name) => name == "null",
    };
    let by_value =
        schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(&Value::Null))
            && schema.get("const").is_none_or(Value::is_null);
    let by_all = schema
        .get("allOf")
        .and_then(Value::as_array)
        .is_none_or(|parts| parts.iter().all(|part| takes_null(part, document, depth + 1)));
    by_type && by_value && by_all && any("anyOf") && any("oneOf")
}
