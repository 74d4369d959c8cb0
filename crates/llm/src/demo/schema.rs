//! Reading a tool's schema.

use crate::limits::DEMO_SCHEMA_DEPTH;
use serde_json::{Map, Value, json};

/// What a tool asks for.
pub(super) struct Asked<'a> {
    /// Where local references start.
    pub(super) root: &'a Value,
    /// The schema of the tool's own arguments.
    pub(super) schema: &'a Value,
    /// The arguments are wrapped together with a `model_intent` (behaviour 14).
    pub(super) intent: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let members = root.get("properties").and_then(Value::as_object);
        let required = |name: &str| {
            root.get("required")
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().any(|item| item == name))
        };
        let wrapped = members.filter(|members| {
            members.len() == 2
                && required("model_intent")
                && required("properties")
                && members.get("model_intent").and_then(|intent| intent.get("type")) == Some(&json!("string"))
        });
        match wrapped.and_then(|members| members.get("properties")) {
            Some(schema) => Self { root, schema, intent: true },
            None => Self { root, schema: root, intent: false },
        }
    }

    /// The tool's own parameters, as far as they stand there openly.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }
}

/// `schema` with its local references and `allOf` merged in, and the first usable branch of `anyOf` and `oneOf`. Remote
/// references are never followed.
pub(super) fn resolved(root: &Value, schema: &Value) -> Map<String, Value> {
    resolve(root, schema, DEMO_SCHEMA_DEPTH)
}

fn resolve(root: &Value, schema: &Value, depth: usize) -> Map<String, Value> {
    let Some(object) = schema.as_object() else { return Map::new() };
    if depth == 0 {
        return object.clone();
    }
    let mut plain = Map::new();
    let mut parts = Vec::new();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("$ref", Value::String(target)) => {
                parts.extend(target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)));
            }
            ("allOf", Value::Array(all)) => parts.extend(all),
            ("anyOf" | "oneOf", Value::Array(branches)) => {
                let usable = branches.iter().find(|branch| !is_null_or_nothing(branch));
                parts.extend(usable.or_else(|| branches.first()));
            }
            _ => {
                plain.insert(key.clone(), value.clone());
            }
        }
    }
    for part in parts {
        merge(&mut plain, resolve(root, part, depth - 1));
    }
    plain
}

fn is_null_or_nothing(schema: &Value) -> bool {
    schema == &Value::Bool(false)
        || schema.get("type") == Some(&json!("null"))
        || schema.get("const") == Some(&Value::Null)
}

/// Both must hold.
fn merge(into: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, theirs) in other {
        let Some(ours) = into.get_mut(&key) else {
            into.insert(key, theirs);
            continue;
        };
        match (key.as_str(), ours, theirs) {
            ("properties", Value::Object(ours), Value::Object(theirs)) => {
                for (name, schema) in theirs {
                    let both = match ours.get(&name) {
                        Some(own) => json!({"allOf": [own, schema]}),
                        None => schema,
                    };
                    ours.insert(name, both);
                }
            }
            ("required", Value::Array(ours), Value::Array(theirs)) => {
                let new: Vec<Value> = theirs.into_iter().filter(|name| !ours.contains(name)).collect();
                ours.extend(new);
            }
            ("enum", Value::Array(ours), Value::Array(theirs)) => ours.retain(|value| theirs.contains(value)),
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", ours, theirs)
                if theirs.as_f64() > ours.as_f64() =>
            {
                *ours = theirs;
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", ours, theirs)
                if theirs.as_f64() < ours.as_f64() =>
            {
                *ours = theirs;
            }
            _ => {}
        }
    }
}

/// The JSON type to make for a resolved schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    Null,
}

/// The type that `schema` names, or the one its keywords are about; text where it says nothing.
pub(super) fn kind(schema: &Map<String, Value>) -> Kind {
    let named = |name: &str| match name {
        "string" => Some(Kind::String),
        "integer" => Some(Kind::Integer),
        "number" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        "array" => Some(Kind::Array),
        "object" => Some(Kind::Object),
        _ => None,
    };
    match schema.get("type") {
        Some(Value::String(name)) => return named(name).unwrap_or(Kind::Null),
        Some(Value::Array(names)) => {
            return names.iter().filter_map(Value::as_str).find_map(named).unwrap_or(Kind::Null);
        }
        _ => {}
    }
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if has(&["properties", "required", "additionalProperties", "minProperties"]) {
        Kind::Object
    } else if has(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]) {
        Kind::Array
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        Kind::Number
    } else {
        Kind::String
    }
}
