//! Where subschemas stand, what references mean, and the bounds that everything after relies on.

use super::Refused;
use crate::{
    json_schema::{LIST, MAP, ONE},
    limits::{PROVIDER_SCHEMA_DEPTH, PROVIDER_SCHEMA_PARTS},
    text::quote,
};
use serde_json::{Map, Value};

/// The three ways to refer.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// How the value of a keyword holds subschemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    One,
    List,
    Map,
    Nothing,
}

pub(super) fn holds(keyword: &str, value: &Value) -> Holds {
    match value {
        Value::Array(_) if LIST.contains(&keyword) => Holds::List,
        Value::Object(_) if MAP.contains(&keyword) => Holds::Map,
        Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword) => Holds::One,
        _ => Holds::Nothing,
    }
}

/// `path` one step further down (RFC 6901, 3).
pub(super) fn below(path: &str, step: &str) -> String {
    format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"))
}

/// Checks depth, number and references, so that what follows may recurse.
pub(super) fn check(schema: &Value) -> Result<(), Refused> {
    let mut parts = 0_usize;
    // Iterative, since the depth is what is being checked.
    let mut open = vec![(schema, 1_usize, String::new())];
    while let Some((part, depth, path)) = open.pop() {
        parts += 1;
        if parts > PROVIDER_SCHEMA_PARTS {
            return Err(Refused::new("", format!("it has more than {PROVIDER_SCHEMA_PARTS} parts")));
        }
        if depth > PROVIDER_SCHEMA_DEPTH {
            return Err(Refused::new(
                "",
                format!("it is nested more than {PROVIDER_SCHEMA_DEPTH} levels deep"),
            ));
        }
        let object = match part {
            Value::Object(object) => object,
            Value::Bool(_) => continue,
            _ => return Err(Refused::new(&path, "a part of it is neither an object nor true or false")),
        };
        check_references(schema, object, depth == 1, &path)?;
        for (keyword, value) in object {
            let step = below(&path, keyword);
            match (holds(keyword, value), value) {
                (Holds::One, value) => open.push((value, depth + 1, step)),
                (Holds::List, Value::Array(items)) => {
                    open.extend(
                        items.iter().enumerate().map(|(at, item)| (item, depth + 1, format!("{step}/{at}"))),
                    );
                }
                (Holds::Map, Value::Object(named)) => {
                    let schemas =
                        named.iter().filter(|(_, sub)| !(keyword == "dependencies" && sub.is_array()));
                    open.extend(schemas.map(|(name, sub)| (sub, depth + 1, below(&step, name))));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_references(
    root: &Value,
    object: &Map<String, Value>,
    is_root: bool,
    path: &str,
) -> Result<(), Refused> {
    // A nested document of its own moves the base of every reference below it.
    if !is_root && object.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) {
        return Err(Refused::new(path, "it embeds another schema with an `$id` of its own"));
    }
    for keyword in REFERENCES {
        let Some(reference) = object.get(keyword) else { continue };
        let text = reference.as_str().unwrap_or("something that is no text");
        let why = match local(root, text) {
            None => "which is elsewhere and never fetched",
            Some(fragment) if resolve(root, fragment).is_none() => "which it does not contain",
            Some(_) => continue,
        };
        return Err(Refused::new(path, format!("it refers to \"{}\", {why}", quote(text, 100))));
    }
    Ok(())
}

/// The reference as a fragment of this document: as it is, or without the document's own name.
pub(super) fn local<'a>(root: &Value, reference: &'a str) -> Option<&'a str> {
    if reference.starts_with('#') {
        return Some(reference);
    }
    let id = root.get("$id").and_then(Value::as_str)?.trim_end_matches('#');
    let rest = reference.strip_prefix(id).filter(|_| !id.is_empty())?;
    match rest {
        "" => Some("#"),
        _ if rest.starts_with('#') => Some(rest),
        _ => None,
    }
}

/// What a local reference points at: the root, a place, or an anchor.
pub(super) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let fragment = reference.strip_prefix('#')?;
    if fragment.is_empty() {
        return Some(root);
    }
    if fragment.starts_with('/') {
        let found = root.pointer(fragment).or_else(|| root.pointer(&percent_decoded(fragment)));
        return found.filter(|found| found.is_object() || found.is_boolean());
    }
    anchored(root, fragment)
}

/// A fragment of a URI may write any byte as `%XX`.
fn percent_decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn anchored<'a>(root: &'a Value, name: &str) -> Option<&'a Value> {
    let mut open = vec![root];
    while let Some(part) = open.pop() {
        let Value::Object(object) = part else { continue };
        let text = |keyword: &str| object.get(keyword).and_then(Value::as_str);
        // Before 2019-09 an anchor was an `$id` that is only a fragment.
        let is_it = text("$anchor") == Some(name)
            || text("$dynamicAnchor") == Some(name)
            || text("$id").and_then(|id| id.strip_prefix('#')) == Some(name);
        if is_it {
            return Some(part);
        }
        for (keyword, value) in object {
            match (holds(keyword, value), value) {
                (Holds::One, value) => open.push(value),
                (Holds::List, Value::Array(items)) => open.extend(items),
                (Holds::Map, Value::Object(named)) => open.extend(named.values()),
                _ => {}
            }
        }
    }
    None
}

/// Applies `change` to every subschema of one schema, with its path.
pub(super) fn each_child(
    object: &mut Map<String, Value>,
    path: &str,
    change: &mut dyn FnMut(&mut Value, &str),
) {
    for (keyword, value) in object.iter_mut() {
        let step = below(path, keyword);
        match (holds(keyword, value), value) {
            (Holds::One, value) => change(value, &step),
            (Holds::List, Value::Array(items)) => {
                items.iter_mut().enumerate().for_each(|(at, item)| change(item, &format!("{step}/{at}")));
            }
            (Holds::Map, Value::Object(named)) => {
                named.iter_mut().for_each(|(name, item)| change(item, &below(&step, name)));
            }
            _ => {}
        }
    }
}
