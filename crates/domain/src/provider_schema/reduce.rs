//! What the two narrow dialects share: references written out, combinators reduced, lost limits put into words.

use super::{
    Notes, Refused,
    merge::{merge, types},
    root::add_words,
    walk::resolve,
};
use crate::{limits::PROVIDER_SCHEMA_HOPS, text::cut_chars};
use serde_json::{Map, Value};

/// Characters of one lost limit in a description.
const LIMIT_CHARS: usize = 120;

/// Merges the parts of `allOf` into the schema itself; what they refer to is written out.
pub(super) fn merge_all_of(
    object: &Map<String, Value>,
    document: &Value,
    path: &str,
) -> Result<Map<String, Value>, Refused> {
    let mut merged = object.clone();
    for _ in 0..PROVIDER_SCHEMA_HOPS {
        let Some(Value::Array(parts)) = merged.shift_remove("allOf") else { return Ok(merged) };
        for part in &parts {
            match written_out(part, document) {
                Some(Value::Object(part)) => merge(&mut merged, part),
                Some(Value::Bool(true)) => {}
                _ => return Err(Refused::new(path, "its `allOf` can never be satisfied")),
            }
        }
    }
    Err(Refused::new(path, "its `allOf` refers to itself"))
}

/// The schema behind a bare reference, or the schema itself.
pub(super) fn written_out<'a>(schema: &'a Value, document: &'a Value) -> Option<&'a Value> {
    let mut schema = schema;
    for _ in 0..PROVIDER_SCHEMA_HOPS {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => schema = resolve(document, reference)?,
            None => return Some(schema),
        }
    }
    None
}

/// The branches of `anyOf` or `oneOf`, each with what stands beside them; `None` without alternatives. Annotations stay outside.
pub(super) fn branches(
    object: &Map<String, Value>,
    path: &str,
    notes: &mut Notes,
) -> Option<(Map<String, Value>, Vec<Value>)> {
    let keyword = ["anyOf", "oneOf"].into_iter().find(|keyword| object.contains_key(*keyword))?;
    let mut outside = object.clone();
    let Some(Value::Array(branches)) = outside.shift_remove(keyword) else { return None };
    if keyword == "anyOf" && outside.shift_remove("oneOf").is_some() {
        notes.add(path, "`oneOf` beside `anyOf` was left out");
    }
    let mut inside = outside.clone();
    outside
        .retain(|keyword, _| matches!(keyword.as_str(), "title" | "description" | "default" | "deprecated"));
    inside.retain(|keyword, _| {
        !outside.contains_key(keyword) && !matches!(keyword.as_str(), "$defs" | "definitions")
    });
    let with_rest = branches
        .into_iter()
        .filter(|branch| *branch != false)
        .map(|branch| match branch {
            Value::Object(mut branch) if !inside.is_empty() => {
                // A reference must be followed before anything can be added; the caller does that for `allOf`.
                if branch.contains_key("$ref") {
                    let mut both = inside.clone();
                    let parts = both.entry("allOf").or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(parts) = parts {
                        parts.push(Value::Object(branch));
                    }
                    return Value::Object(both);
                }
                merge(&mut branch, &inside);
                Value::Object(branch)
            }
            Value::Bool(true) if !inside.is_empty() => Value::Object(inside.clone()),
            branch => branch,
        })
        .collect();
    Some((outside, with_rest))
}

/// The types a schema allows, read off its other keywords when it does not say; empty when any value will do.
pub(super) fn types_of(object: &Map<String, Value>) -> Vec<String> {
    if let Some(kind) = object.get("type") {
        return types(kind);
    }
    let values = object.get("enum").and_then(Value::as_array).cloned();
    if let Some(values) = values.or_else(|| object.get("const").map(|value| vec![value.clone()])) {
        let mut names: Vec<String> = Vec::new();
        for name in values.iter().map(type_of) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        return names;
    }
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| object.contains_key(*keyword));
    let name = if has(&[
        "properties",
        "required",
        "patternProperties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
    ]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"]) {
        "array"
    } else if has(&["pattern", "minLength", "maxLength", "format", "contentEncoding"]) {
        "string"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        return Vec::new();
    };
    vec![name.to_owned()]
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Limits that the dialect has no keyword for, told to the model in the description.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn add(&mut self, keyword: &str, value: &Value) {
        self.0.push(cut_chars(&format!("{keyword}: {value}"), LIMIT_CHARS).into_owned());
    }

    pub(super) fn into_description(self, object: &mut Map<String, Value>) {
        if !self.0.is_empty() {
            add_words(object, &format!("[{}]", self.0.join("; ")));
        }
    }
}

/// The schema of the items of a tuple, for dialects that have none: any of its places.
pub(super) fn tuple_items(object: &Map<String, Value>) -> Option<Value> {
    let places = object.get("prefixItems").and_then(Value::as_array)?;
    let mut kinds: Vec<Value> = Vec::new();
    let rest = object.get("items").filter(|rest| rest.is_object());
    for place in places.iter().chain(rest) {
        if !kinds.contains(place) {
            kinds.push(place.clone());
        }
    }
    match kinds.as_slice() {
        [one] => Some(one.clone()),
        _ => Some(serde_json::json!({"anyOf": kinds})),
    }
}
