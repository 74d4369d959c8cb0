//! The root as every provider wants it: an object with `properties`, without alternatives.
//!
//! OpenAI: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'const'/'not' at the top level". Anthropic:
//! "input_schema does not support oneOf, allOf, or anyOf at the top level". Both refuse the whole request over one such tool.

use super::{
    Notes, Refused,
    merge::{merge, types},
    walk::resolve,
};
use crate::{limits::PROVIDER_ROOT_PARTS, text::cut_chars};
use serde_json::{Map, Value, json};

/// Characters of the sentence on alternatives that is added to the description.
const ALTERNATIVES_CHARS: usize = 500;

pub(super) fn make_object(schema: &mut Value, notes: &mut Notes) -> Result<(), Refused> {
    let document = schema.clone();
    let mut object = match schema.take() {
        Value::Object(object) => object,
        Value::Bool(true) => Map::new(),
        _ => return Err(Refused::new("", "it allows no arguments at all")),
    };
    let mut left = PROVIDER_ROOT_PARTS;
    flatten(&mut object, &document, notes, &mut left);
    match object.get("type") {
        None => {}
        Some(kind) if types(kind).iter().any(|name| name == "object") => {}
        Some(_) => return Err(Refused::new("", "it describes something else than an object of arguments")),
    }
    // Providers read from the top: type and properties first. Members that are there keep their place.
    object.insert("type".to_owned(), json!("object"));
    object.entry("properties").or_insert_with(|| json!({}));
    for keyword in ["enum", "const", "not"] {
        if object.shift_remove(keyword).is_some() {
            notes.add("", format!("`{keyword}` at the root was left out"));
        }
    }
    *schema = Value::Object(object);
    Ok(())
}

/// Takes references and combinators out of a schema of an object, for good. `left` bounds how many parts are looked at in all: alternatives
/// that refer to each other would multiply without an end.
fn flatten(object: &mut Map<String, Value>, document: &Value, notes: &mut Notes, left: &mut usize) {
    if *left == 0 {
        for keyword in ["$ref", "allOf", "anyOf", "oneOf"] {
            object.shift_remove(keyword);
        }
        notes.add("", "its root has more alternatives than are looked at, or refers to itself");
        return;
    }
    *left -= 1;
    if let Some(reference) = object.shift_remove("$ref")
        && let Some(Value::Object(target)) = reference.as_str().and_then(|text| resolve(document, text))
    {
        let mut target = target.clone();
        flatten(&mut target, document, notes, left);
        merge(object, &target);
    }
    if let Some(Value::Array(parts)) = object.shift_remove("allOf") {
        for mut part in parts.into_iter().filter_map(into_object) {
            flatten(&mut part, document, notes, left);
            merge(object, &part);
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = object.shift_remove(keyword) {
            let mut branches: Vec<_> = branches.into_iter().filter_map(into_object).collect();
            branches.iter_mut().for_each(|branch| flatten(branch, document, notes, left));
            alternatives(object, &branches, keyword);
            notes.add(
                "",
                format!(
                    "the alternatives under `{keyword}` at the root became arguments that may all be given"
                ),
            );
        }
    }
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(object) = value { Some(object) } else { None }
}

/// Offers the arguments of every branch; needed are those that each of them needs. Which go together is said in words.
fn alternatives(object: &mut Map<String, Value>, branches: &[Map<String, Value>], keyword: &str) {
    let required = |branch: &Map<String, Value>| -> Vec<String> {
        let names = branch.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut offered: Map<String, Value> = Map::new();
    for (name, property) in
        branches.iter().filter_map(|branch| branch.get("properties")?.as_object()).flatten()
    {
        let versions = offered.entry(name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(versions) = versions
            && !versions.contains(property)
        {
            versions.push(property.clone());
        }
    }
    if let Value::Object(properties) = object.entry("properties").or_insert_with(|| json!({})) {
        for (name, versions) in offered {
            let property = match versions.as_array().map(Vec::as_slice) {
                Some([one]) => one.clone(),
                _ => json!({"anyOf": versions}),
            };
            properties.entry(name).or_insert(property);
        }
    }
    let sets: Vec<Vec<String>> = branches.iter().map(required).collect();
    if let Some((first, others)) = sets.split_first() {
        let common = first.iter().filter(|name| others.iter().all(|set| set.contains(name)));
        let common: Vec<Value> = common.map(|name| Value::from(name.as_str())).collect();
        if !common.is_empty() {
            merge(object, &Map::from_iter([("required".to_owned(), Value::Array(common))]));
        }
    }
    if sets.len() > 1 && sets.iter().all(|set| !set.is_empty()) {
        let how = if keyword == "oneOf" { "Exactly one" } else { "At least one" };
        let sets: Vec<String> = sets.iter().map(|set| set.join(" with ")).collect();
        let sentence = format!("{how} of these is needed: {}.", sets.join("; or "));
        add_words(object, &cut_chars(&sentence, ALTERNATIVES_CHARS));
    }
}

/// Adds a sentence to the description.
pub(super) fn add_words(object: &mut Map<String, Value>, words: &str) {
    let description = match object.get("description").and_then(Value::as_str).map(str::trim_end) {
        Some(before) if !before.is_empty() => format!("{before} {words}"),
        _ => words.to_owned(),
    };
    object.insert("description".to_owned(), Value::String(description));
}
