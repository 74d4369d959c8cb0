//! How much work a validation would be, counted before it is done.
//!
//! A validator applies subschemas to parts of the instance again and again and remembers nothing, so thirty small
//! definitions that refer twice to the next one make a billion applications. Rejected: a thread with a timeout, since a
//! thread cannot be stopped. The same walk with a memory per (subschema, part) takes a product, not a power, of steps; it
//! also finds references that never end and bounds the depth, which a validator's stack would not survive.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::limits::{VALIDATION_DEPTH, VALIDATION_STEPS};

const TOO_COMPLEX: &str = "the tool's schema is too complex for these arguments";
/// Pairs that are remembered; beyond, the walk itself would be the load.
const PAIRS: usize = VALIDATION_STEPS as usize;

/// # Errors
/// The validation would take too long or too deep a stack.
pub(super) fn bounded(schema: &Value, instance: &Value) -> Result<(), String> {
    let mut walk = Walk { root: schema, seen: HashMap::new(), anchors: HashMap::new() };
    walk.find_anchors(schema);
    match walk.cost(schema, instance, 0) {
        Some(cost) if cost <= VALIDATION_STEPS => Ok(()),
        _ => Err(TOO_COMPLEX.to_owned()),
    }
}

struct Walk<'a> {
    root: &'a Value,
    /// By address: schema and instance do not move while the walk borrows them. `None` is "being counted".
    seen: HashMap<(usize, usize), Option<u64>>,
    anchors: HashMap<&'a str, &'a Value>,
}

impl<'a> Walk<'a> {
    fn find_anchors(&mut self, value: &'a Value) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    for key in ["$anchor", "$dynamicAnchor"] {
                        if let Some(Value::String(name)) = map.get(key) {
                            self.anchors.insert(name, value);
                        }
                    }
                    // Draft-06 and -07 name a place by `$id`, draft-04 by `id`.
                    for key in ["$id", "id"] {
                        if let Some(name) =
                            map.get(key).and_then(Value::as_str).and_then(|id| id.strip_prefix('#'))
                        {
                            self.anchors.insert(name, value);
                        }
                    }
                    open.extend(map.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }

    /// Applications of subschemas when `schema` is applied to `instance`; `None` when there is no end to them.
    fn cost(&mut self, schema: &'a Value, instance: &'a Value, depth: usize) -> Option<u64> {
        let Value::Object(object) = schema else { return Some(1) };
        let key = (std::ptr::from_ref(schema) as usize, std::ptr::from_ref(instance) as usize);
        match self.seen.get(&key) {
            Some(known) => return *known,
            None if depth >= VALIDATION_DEPTH || self.seen.len() >= PAIRS => return None,
            None => self.seen.insert(key, None),
        };
        let mut sum = 1u64;
        for (sub, part) in self.applications(object, instance) {
            sum = sum.saturating_add(self.cost(sub, part, depth + 1)?);
            if sum > VALIDATION_STEPS {
                return None;
            }
        }
        if object.contains_key("unevaluatedProperties") || object.contains_key("unevaluatedItems") {
            // Validators run the neighbouring keywords once more to learn what they have covered.
            sum = sum.saturating_mul(2);
        }
        self.seen.insert(key, Some(sum));
        Some(sum)
    }

    /// What is applied directly to what; conditions count as met.
    fn applications(
        &self,
        object: &'a Map<String, Value>,
        instance: &'a Value,
    ) -> Vec<(&'a Value, &'a Value)> {
        let mut found = Vec::new();
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let target = object.get(key).and_then(Value::as_str).and_then(|target| self.resolve(target));
            found.extend(target.map(|target| (target, instance)));
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            found.extend(
                object.get(key).and_then(Value::as_array).into_iter().flatten().map(|sub| (sub, instance)),
            );
        }
        for key in ["not", "if", "then", "else"] {
            found.extend(object.get(key).map(|sub| (sub, instance)));
        }
        for key in ["dependentSchemas", "dependencies"] {
            found.extend(
                object
                    .get(key)
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(_, sub)| (sub, instance)),
            );
        }
        match instance {
            Value::Object(members) => {
                let named = object.get("properties").and_then(Value::as_object);
                let by_pattern = object.get("patternProperties").and_then(Value::as_object);
                for (name, member) in members {
                    found.extend(named.and_then(|named| named.get(name)).map(|sub| (sub, member)));
                    found.extend(by_pattern.into_iter().flatten().map(|(_, sub)| (sub, member)));
                    for key in ["additionalProperties", "unevaluatedProperties"] {
                        found.extend(object.get(key).map(|sub| (sub, member)));
                    }
                    // Applied to the name, which is text like any other.
                    found.extend(object.get("propertyNames").map(|sub| (sub, &Value::Null)));
                }
            }
            Value::Array(items) => {
                let by_place = ["prefixItems", "items"].map(|key| object.get(key).and_then(Value::as_array));
                for (place, item) in items.iter().enumerate() {
                    found.extend(
                        by_place.iter().flatten().filter_map(|subs| subs.get(place)).map(|sub| (sub, item)),
                    );
                    for key in ["items", "additionalItems", "contains", "unevaluatedItems"] {
                        found.extend(object.get(key).map(|sub| (sub, item)));
                    }
                }
            }
            _ => {}
        }
        found
    }

    fn resolve(&self, target: &str) -> Option<&'a Value> {
        let fragment = percent_decoded(target.strip_prefix('#')?);
        if fragment.is_empty() || fragment.starts_with('/') {
            self.root.pointer(&fragment)
        } else {
            self.anchors.get(fragment.as_str()).copied()
        }
    }
}

/// References are URI fragments: `%25` stands for a percent sign.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_of_every_kind_are_followed() {
        for target in ["#", "#/$defs/a%25b", "#/$defs/c~1d", "#named"] {
            let schema = json!({"$defs": {"a%b": {"$ref": "#/$defs/a%25b"}, "c/d": {"$ref": "#/$defs/c~1d"},
                "n": {"$anchor": "named", "$ref": "#named"}}, "$ref": target});
            assert!(bounded(&schema, &json!({})).is_err(), "{target} never ends");
        }
    }

    #[test]
    fn large_arguments_of_a_plain_schema_pass() {
        let schema = json!({"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "integer"}}}});
        let rows: Vec<u32> = (0..20_000).collect();
        assert_eq!(bounded(&schema, &json!({"rows": rows})), Ok(()));
    }
}
