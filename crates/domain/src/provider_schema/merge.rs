//! Two schemas that hold at once, as one.

use serde_json::{Map, Value};

/// Adds to `into` what `other` demands. Where both say something that cannot be said once, `into` stands: the original validates.
pub(super) fn merge(into: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (keyword, theirs) in other {
        match into.get_mut(keyword) {
            None => {
                into.insert(keyword.clone(), theirs.clone());
            }
            Some(ours) => both(keyword, ours, theirs),
        }
    }
}

fn both(keyword: &str, ours: &mut Value, theirs: &Value) {
    match (keyword, ours, theirs) {
        (
            "properties" | "$defs" | "definitions" | "patternProperties",
            Value::Object(ours),
            Value::Object(theirs),
        ) => {
            for (name, their) in theirs {
                match ours.get_mut(name) {
                    None => {
                        ours.insert(name.clone(), their.clone());
                    }
                    Some(Value::Object(our)) => {
                        if let Value::Object(their) = their {
                            merge(our, their);
                        }
                    }
                    // `true` demands nothing.
                    Some(our) if *our == true => *our = their.clone(),
                    Some(_) => {}
                }
            }
        }
        ("required" | "allOf", Value::Array(ours), Value::Array(theirs)) => {
            for their in theirs {
                if !ours.contains(their) {
                    ours.push(their.clone());
                }
            }
        }
        ("enum", Value::Array(ours), Value::Array(theirs)) if ours.iter().any(|our| theirs.contains(our)) => {
            ours.retain(|our| theirs.contains(our));
        }
        ("type", ours, theirs) => {
            let common: Vec<Value> =
                types(ours).into_iter().filter(|name| allows(theirs, name)).map(Value::from).collect();
            match common.as_slice() {
                [] => {}
                [one] => *ours = one.clone(),
                _ => *ours = Value::Array(common),
            }
        }
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", ours, theirs)
            if theirs.as_f64() > ours.as_f64() =>
        {
            *ours = theirs.clone();
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", ours, theirs)
            if theirs.as_f64() < ours.as_f64() =>
        {
            *ours = theirs.clone();
        }
        _ => {}
    }
}

/// The names under `type`.
pub(super) fn types(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn allows(value: &Value, name: &str) -> bool {
    let names = types(value);
    names.iter().any(|known| known == name)
        || (name == "integer" && names.iter().any(|known| known == "number"))
}
