//! JSON Schemas of strangers (protocol.md 10): bounded before they are compiled, bounded again when they are applied,
//! and never a reason to fetch anything.

mod cost;
mod inspect;

use std::sync::{Arc, OnceLock};

use domain::text::{cut_chars, quote};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::limits::PATTERN_COMPILED;

pub(crate) use inspect::inspect;

/// Errors named in one answer; the model corrects what it is told and asks again.
const ERRORS_NAMED: usize = 3;

/// A schema with its validator, which is made when it is first needed: most tools are listed and never called.
#[derive(Debug)]
pub(crate) struct Checker {
    schema: Arc<Value>,
    validator: OnceLock<Result<Validator, String>>,
}

impl Checker {
    /// `schema` has passed [`inspect`].
    pub(crate) fn new(schema: Arc<Value>) -> Self {
        Self { schema, validator: OnceLock::new() }
    }

    pub(crate) fn check(&self, arguments: &Value) -> Result<(), String> {
        let (misfits, more) = self.misfits(arguments)?;
        if misfits.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = misfits
            .into_iter()
            .map(|Misfit { path, detail }| {
                let place = if path.is_empty() { "the arguments".to_owned() } else { quote(&path, 200) };
                format!("{place}: {detail}")
            })
            .collect();
        Err(format!("{}{}", named.join("; "), if more { "; and more" } else { "" }))
    }

    /// The first few things that do not fit, and whether there are more; an error where that cannot be said.
    pub(crate) fn misfits(&self, arguments: &Value) -> Result<(Vec<Misfit>, bool), String> {
        // First: a validator does not survive a schema that refers to itself without an end.
        cost::bounded(&self.schema, arguments)?;
        let validator =
            self.validator.get_or_init(|| compile(&self.schema)).as_ref().map_err(Clone::clone)?;
        let mut errors = validator.iter_errors(arguments);
        let named = errors.by_ref().take(ERRORS_NAMED).map(|error| Misfit {
            path: error.instance_path().to_string(),
            // An error repeats the value it is about, which can be a megabyte.
            detail: cut_chars(&error.to_string(), 300).into_owned(),
        });
        Ok((named.collect(), errors.next().is_some()))
    }
}

/// One thing about arguments that does not fit their schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// JSON pointer into the arguments; empty for all of them.
    pub path: String,
    /// One sentence.
    pub detail: String,
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_pattern_options(
            // Linear in time, whatever the pattern; look-around and back references are not offered.
            PatternOptions::regex().size_limit(PATTERN_COMPILED).dfa_size_limit(PATTERN_COMPILED),
        )
        .offline()
        .build(schema)
        .map_err(|error| format!("the tool's schema cannot be used: {}", cut_chars(&error.to_string(), 300)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Value, arguments: &Value) -> Result<(), String> {
        inspect(&schema)?;
        Checker::new(Arc::new(schema)).check(arguments)
    }

    #[test]
    fn fitting_and_unfitting_arguments() {
        let schema = json!({"type": "object", "required": ["q"], "additionalProperties": false,
            "properties": {"q": {"type": "string"}, "n": {"$ref": "#/$defs/count"}},
            "$defs": {"count": {"type": "integer", "minimum": 1}}});
        assert_eq!(check(schema.clone(), &json!({"q": "x", "n": 2})), Ok(()));
        let error = check(schema.clone(), &json!({"q": "x", "n": 0})).unwrap_err();
        assert!(error.starts_with("/n:"), "{error}");
        let error = check(schema, &json!({"a": 1, "b": "x".repeat(100_000)})).unwrap_err();
        assert!(error.contains("q") && error.len() < 2000, "{}", error.len());
    }

    #[test]
    fn recursive_schemas_work_where_the_arguments_end() {
        let tree = json!({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}},
            "name": {"type": "string"}}});
        let mut value = json!({"name": "leaf"});
        for _ in 0..15 {
            value = json!({"name": "node", "children": [value, {"name": "leaf"}]});
        }
        assert_eq!(check(tree.clone(), &value), Ok(()));
        assert!(check(tree, &json!({"children": [{"children": [{"name": 1}]}]})).is_err());
    }

    #[test]
    fn bombs_are_refused_quickly() {
        let started = std::time::Instant::now();
        // doubles at each of 30 levels
        let mut defs = serde_json::Map::new();
        for level in 0..30 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            defs.insert(format!("d{level}"), json!({"allOf": [next, next]}));
        }
        defs.insert("d30".into(), json!({"type": "object"}));
        let doubling = json!({"type": "object", "$defs": defs, "allOf": [{"$ref": "#/$defs/d0"}]});
        // doubles at each level of the arguments
        let nested =
            json!({"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        let mut deep = json!({});
        for _ in 0..40 {
            deep = json!({"a": deep});
        }
        // never ends
        let endless = json!({"type": "object", "allOf": [{"$ref": "#"}]});
        let pattern = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "((a{100}){100}){100}"}}});
        for (schema, arguments) in
            [(doubling, json!({})), (nested, deep), (endless, json!({})), (pattern, json!({"a": "x"}))]
        {
            assert!(check(schema, &arguments).is_err());
        }
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
        let started = std::time::Instant::now();
        assert!(check(schema, &json!({"a": format!("{}b", "a".repeat(50_000))})).is_err());
        assert!(started.elapsed().as_secs() < 2);
    }
}
