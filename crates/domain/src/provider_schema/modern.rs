//! Any draft as 2020-12, and without keywords whose value is none.
//!
//! OpenAI and Anthropic check what they get against the 2020-12 meta-schema ("[{…}] is not of type 'object', 'boolean'", "must match JSON
//! Schema draft 2020-12") and refuse the request over a tuple of draft-07 or a `required: true` of draft-03.

use super::{
    Notes,
    walk::{each_child, local},
};
use serde_json::{Map, Value};

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

pub(super) fn modernise(original: &Value, notes: &mut Notes) -> Value {
    let mut schema = original.clone();
    turn(&mut schema, original, "", notes);
    schema
}

fn turn(schema: &mut Value, root: &Value, path: &str, notes: &mut Notes) {
    let Value::Object(object) = schema else { return };
    // The first: afterwards every place is where the original has it, or where 2020-12 wants it.
    each_child(object, path, &mut |child, path| turn(child, root, path, notes));
    for keyword in ["$schema", "$vocabulary", "$comment", "$recursiveAnchor"] {
        object.shift_remove(keyword);
    }
    if path.is_empty() {
        object.shift_remove("$id");
    }
    // Before 2019-09 an anchor was an `$id` that is only a fragment; the 2020-12 meta-schema refuses that.
    if let Some(Value::String(id)) = object.get("$id")
        && let Some(name) = id.strip_prefix('#').map(str::to_owned)
    {
        object.shift_remove("$id");
        object.entry("$anchor").or_insert(Value::String(name));
    }
    references(object, root);
    tuples(object);
    dependencies(object);
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        // Draft-04: a flag beside the bound.
        match object.get(exclusive) {
            Some(Value::Bool(true)) => match object.shift_remove(bound) {
                Some(value) => {
                    object.insert(exclusive.to_owned(), value);
                }
                None => {
                    object.shift_remove(exclusive);
                }
            },
            Some(Value::Bool(false)) => {
                object.shift_remove(exclusive);
            }
            _ => {}
        }
    }
    types(object, path, notes);
    let unusable: Vec<String> = object
        .iter()
        .filter(|(keyword, value)| !is_usable(keyword, value))
        .map(|(keyword, _)| keyword.clone())
        .collect();
    for keyword in unusable {
        object.shift_remove(&keyword);
        // Draft-03 marked the property itself; draft-04 onwards would read nonsense.
        if keyword != "required" {
            notes.add(path, format!("`{keyword}` has a value that it cannot have and was left out"));
        }
    }
    if let Some(Value::Array(names)) = object.get_mut("required") {
        let mut seen: Vec<Value> = Vec::with_capacity(names.len());
        names.retain(|name| {
            name.is_string() && !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
    }
}

fn references(object: &mut Map<String, Value>, root: &Value) {
    for keyword in ["$recursiveRef", "$dynamicRef"] {
        if let Some(reference) = object.shift_remove(keyword) {
            object.entry("$ref").or_insert(reference);
        }
    }
    if let Some(Value::String(reference)) = object.get_mut("$ref")
        && let Some(fragment) = local(root, reference)
    {
        *reference = fragment.to_owned();
    }
}

fn tuples(object: &mut Map<String, Value>) {
    let rest = object.shift_remove("additionalItems");
    if object.get("items").is_some_and(Value::is_array)
        && let Some(items) = object.shift_remove("items")
    {
        if items.as_array().is_some_and(|items| !items.is_empty()) {
            object.insert("prefixItems".to_owned(), items);
        }
        if let Some(rest) = rest {
            object.insert("items".to_owned(), rest);
        }
    }
}

fn dependencies(object: &mut Map<String, Value>) {
    let Some(Value::Object(all)) = object.get("dependencies").cloned() else { return };
    object.shift_remove("dependencies");
    for (name, needs) in all {
        let keyword = if needs.is_array() { "dependentRequired" } else { "dependentSchemas" };
        if let Value::Object(map) = object.entry(keyword).or_insert_with(|| Value::Object(Map::new())) {
            map.entry(name).or_insert(needs);
        }
    }
}

fn types(object: &mut Map<String, Value>, path: &str, notes: &mut Notes) {
    let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    let usable = match object.get_mut("type") {
        None => true,
        Some(Value::Array(names)) => {
            let mut seen: Vec<Value> = Vec::new();
            names.retain(|name| {
                known(name) && !seen.contains(name) && {
                    seen.push(name.clone());
                    true
                }
            });
            !names.is_empty()
        }
        Some(name) => known(name),
    };
    if !usable
        && let Some(name) = object.shift_remove("type")
        && name != "any"
    {
        notes.add(path, "its `type` is none that JSON Schema knows and was left out");
    }
}

fn is_usable(keyword: &str, value: &Value) -> bool {
    match keyword {
        "title" | "description" | "format" | "pattern" | "contentEncoding" | "contentMediaType" => {
            value.is_string()
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => value.is_u64(),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
        "multipleOf" => value.as_f64().is_some_and(|step| step > 0.0),
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => value.is_boolean(),
        "enum" => value.as_array().is_some_and(|values| !values.is_empty()),
        "examples" | "required" => value.is_array(),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => value.as_array().is_some_and(|list| !list.is_empty()),
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            value.is_object()
        }
        "dependentRequired" => value.as_object().is_some_and(|all| all.values().all(is_list_of_names)),
        "dependencies" => false,
        "$anchor" | "$dynamicAnchor" => value.as_str().is_some_and(is_anchor),
        "items"
        | "additionalProperties"
        | "contains"
        | "not"
        | "if"
        | "then"
        | "else"
        | "propertyNames"
        | "unevaluatedItems"
        | "unevaluatedProperties" => value.is_object() || value.is_boolean(),
        _ => true,
    }
}

fn is_list_of_names(value: &Value) -> bool {
    value.as_array().is_some_and(|names| {
        names.iter().enumerate().all(|(at, name)| name.is_string() && !names[..at].contains(name))
    })
}

/// The meta-schema's pattern: `^[A-Za-z_][-A-Za-z0-9._]*$`.
fn is_anchor(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}
