//! Gemini: a subset of OpenAPI 3.0, without references.
//!
//! <https://ai.google.dev/api/caching#Schema>. What its answers add: "enum: only allowed for STRING type", "only 'enum' and 'date-time' are
//! supported for STRING type", "properties: should be non-empty for OBJECT type", "properties: only allowed for OBJECT type", names
//! under `required` must be properties, and `any_of` stands alone. A tool without arguments gets `{"type": "object"}`; for it `parameters`
//! may be left out.

use super::{
    Notes, Refused,
    merge::merge,
    reduce::{Words, branches, merge_all_of, tuple_items, types_of},
    walk::{below, resolve},
};
use crate::limits::{PROVIDER_SCHEMA_BYTES, PROVIDER_SCHEMA_DEPTH, PROVIDER_SCHEMA_PARTS};
use serde_json::{Map, Value, json};

/// Keywords that stay as they are on a value of any, and of one type.
const KEPT: [(&str, &str); 9] = [
    ("string", "minLength"),
    ("string", "maxLength"),
    ("string", "pattern"),
    ("number", "minimum"),
    ("number", "maximum"),
    ("array", "minItems"),
    ("array", "maxItems"),
    ("object", "minProperties"),
    ("object", "maxProperties"),
];
/// Keywords dealt with by name, or without meaning for a model.
const DONE: [&str; 18] = [
    "type",
    "title",
    "description",
    "properties",
    "required",
    "items",
    "prefixItems",
    "enum",
    "const",
    "$defs",
    "definitions",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$anchor",
    "$dynamicAnchor",
    "unevaluatedProperties",
];

pub(super) fn adapt(schema: &Value, notes: &mut Notes) -> Result<Value, Refused> {
    Adapter { document: schema, notes, open: Vec::new(), parts: 0, bytes: 0 }.convert(schema, "", 0)
}

struct Adapter<'a> {
    document: &'a Value,
    notes: &'a mut Notes,
    /// References being written out right now.
    open: Vec<String>,
    parts: usize,
    bytes: usize,
}

impl Adapter<'_> {
    fn convert(&mut self, schema: &Value, path: &str, depth: usize) -> Result<Value, Refused> {
        self.parts += 1;
        if self.parts > PROVIDER_SCHEMA_PARTS
            || depth > PROVIDER_SCHEMA_DEPTH
            || self.bytes > PROVIDER_SCHEMA_BYTES
        {
            return Err(Refused::new(path, "it grows too large when its references are written out"));
        }
        let Value::Object(object) = schema else { return Ok(self.any_value(&Map::new(), path)) };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return self.written_out(object, reference, path, depth);
        }
        let object = &merge_all_of(object, self.document, path)?;
        if object.contains_key("$ref") {
            return self.convert(&Value::Object(object.clone()), path, depth + 1);
        }
        if let Some((outside, inside)) = branches(object, path, self.notes) {
            return self.alternatives(&outside, &inside, path, depth);
        }
        let types = types_of(object);
        let named: Vec<&String> = types.iter().filter(|name| *name != "null").collect();
        let nullable = named.len() < types.len();
        let mut adapted = match named.as_slice() {
            [] if nullable => self.typed(object, "string", path, depth)?,
            [] => self.any_value(object, path),
            [one] => self.typed(object, one, path, depth)?,
            many => {
                let (mut inside, outside) = (object.clone(), description_of(object));
                inside.retain(|keyword, _| keyword != "title" && keyword != "description");
                let each: Vec<Value> = many
                    .iter()
                    .map(|name| {
                        let mut one = inside.clone();
                        one.insert("type".to_owned(), json!(name));
                        Value::Object(one)
                    })
                    .collect();
                self.alternatives(&outside, &each, path, depth)?
            }
        };
        if nullable && let Value::Object(adapted) = &mut adapted {
            make_nullable(adapted);
        }
        Ok(adapted)
    }

    /// What a reference points at, with what stands beside it. In its own midst it is only named.
    fn written_out(
        &mut self,
        object: &Map<String, Value>,
        reference: &str,
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        let target =
            resolve(self.document, reference).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut both = object.clone();
        both.shift_remove("$ref");
        if reference == "#" || reference == "#/" || self.open.iter().any(|open| open == reference) {
            self.notes.add(path, "it contains itself, which is described to the model one level deep only");
            let kind = types_of(&target)
                .into_iter()
                .find(|name| name != "null")
                .unwrap_or_else(|| "object".to_owned());
            let mut stub = description_of(&both);
            stub.insert("type".to_owned(), json!(kind));
            let mut words = Words::default();
            words.add(
                "like",
                &json!(reference.rsplit('/').next().filter(|name| *name != "#").unwrap_or("the whole")),
            );
            words.into_description(&mut stub);
            return self.convert(&Value::Object(stub), path, depth + 1);
        }
        merge(&mut both, &target);
        self.open.push(reference.to_owned());
        let adapted = self.convert(&Value::Object(both), path, depth + 1);
        self.open.pop();
        adapted
    }

    /// There is no type for "anything". A text is a value that every such schema takes.
    fn any_value(&mut self, object: &Map<String, Value>, path: &str) -> Value {
        self.notes.add(path, "it takes any value; the model is told to give a text");
        let mut adapted = Map::from_iter([("type".to_owned(), json!("string"))]);
        self.describe(object, &mut adapted);
        Value::Object(adapted)
    }

    fn alternatives(
        &mut self,
        outside: &Map<String, Value>,
        branches: &[Value],
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
        let nullable = branches.iter().any(|branch| is_null(&branch));
        let rest: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        let mut converted: Vec<Value> = Vec::with_capacity(rest.len());
        // Texts with titles, as forms offer them, are one list of values.
        let texts: Option<Vec<&Value>> =
            rest.iter().map(|branch| branch.get("const").filter(|value| value.is_string())).collect();
        if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
            let mut one = outside.clone();
            one.insert("type".to_owned(), json!("string"));
            one.insert("enum".to_owned(), json!(texts));
            converted.push(self.typed(&one, "string", path, depth)?);
        } else {
            for (at, branch) in rest.iter().enumerate() {
                let mut branch = (*branch).clone();
                // `any_of` stands alone, so the words of the whole go into its parts.
                if let Value::Object(branch) = &mut branch {
                    for (keyword, value) in outside {
                        branch.entry(keyword.clone()).or_insert_with(|| value.clone());
                    }
                }
                let branch = self.convert(&branch, &format!("{path}/anyOf/{at}"), depth + 1)?;
                // Alternatives of an alternative are alternatives.
                let inner = match branch.get("anyOf").and_then(Value::as_array) {
                    Some(inner) => inner.clone(),
                    None => vec![branch],
                };
                for branch in inner {
                    if !converted.contains(&branch) {
                        converted.push(branch);
                    }
                }
            }
        }
        let mut adapted = match converted.len() {
            0 => return self.typed(outside, "string", path, depth),
            1 => converted.swap_remove(0),
            _ => json!({"anyOf": converted}),
        };
        if nullable && let Value::Object(adapted) = &mut adapted {
            make_nullable(adapted);
        }
        Ok(adapted)
    }

    fn typed(
        &mut self,
        object: &Map<String, Value>,
        kind: &str,
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        let mut adapted = Map::from_iter([("type".to_owned(), json!(kind))]);
        self.describe(object, &mut adapted);
        let mut words = Words::default();
        for (keyword, value) in object {
            let of_kind = if kind == "integer" { "number" } else { kind };
            match (kind, keyword.as_str()) {
                (_, known) if KEPT.contains(&(of_kind, known)) => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                ("integer", "exclusiveMinimum") if value.is_i64() => {
                    adapted.insert(
                        "minimum".to_owned(),
                        json!(value.as_i64().map(|bound| bound.saturating_add(1))),
                    );
                }
                ("integer", "exclusiveMaximum") if value.is_i64() => {
                    adapted.insert(
                        "maximum".to_owned(),
                        json!(value.as_i64().map(|bound| bound.saturating_sub(1))),
                    );
                }
                ("string", "format") if value == "date-time" => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                ("number", "format") if value == "float" || value == "double" => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                ("integer", "format") if value == "int32" || value == "int64" => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                (_, known) if DONE.contains(&known) => {}
                ("object", "additionalProperties") if value.is_boolean() => {}
                // Keywords of other types say nothing about this one.
                (_, other) if KEPT.iter().any(|(_, known)| *known == other) => {}
                (_, "default") => words.add(keyword, value),
                _ if value.is_object() || value.is_array() => {
                    self.notes.add(path, format!("`{}` was left out", crate::text::quote(keyword, 40)));
                }
                _ => words.add(keyword, value),
            }
        }
        self.values(object, kind, &mut adapted, &mut words);
        match kind {
            "object" => self.members(object, &mut adapted, path, depth)?,
            "array" => {
                if object.contains_key("prefixItems") {
                    self.notes.add(path, "the order of its items was left out");
                }
                let items =
                    tuple_items(object).or_else(|| object.get("items").cloned()).unwrap_or(json!(true));
                adapted.insert("items".to_owned(), self.convert(&items, &below(path, "items"), depth + 1)?);
            }
            _ => {}
        }
        words.into_description(&mut adapted);
        Ok(Value::Object(adapted))
    }

    /// Lists of values are for texts only, and no text in them may be empty.
    fn values(
        &self,
        object: &Map<String, Value>,
        kind: &str,
        adapted: &mut Map<String, Value>,
        words: &mut Words,
    ) {
        let listed = object.get("enum").and_then(Value::as_array).cloned();
        let Some(values) = listed.or_else(|| object.get("const").map(|value| vec![value.clone()])) else {
            return;
        };
        let texts: Vec<&Value> =
            values.iter().filter(|value| value.as_str().is_some_and(|text| !text.is_empty())).collect();
        if kind == "string" && !texts.is_empty() {
            if values.iter().any(|value| value == "") {
                words.add("may be empty", &json!(true));
            }
            adapted.insert("enum".to_owned(), json!(texts));
        } else {
            words.add("one of", &Value::Array(values));
        }
        if object.get("enum").and_then(Value::as_array).is_some_and(|values| values.contains(&Value::Null)) {
            make_nullable(adapted);
        }
    }

    fn members(
        &mut self,
        object: &Map<String, Value>,
        adapted: &mut Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<(), Refused> {
        let none = Map::new();
        let mut members = Map::new();
        for (name, property) in object.get("properties").and_then(Value::as_object).unwrap_or(&none) {
            // It may never be given.
            if *property == false {
                continue;
            }
            self.bytes += name.len();
            let step = below(&below(path, "properties"), name);
            members.insert(name.clone(), self.convert(property, &step, depth + 1)?);
        }
        let required =
            object.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let required: Vec<&Value> = required
            .iter()
            .filter(|name| name.as_str().is_some_and(|name| members.contains_key(name)))
            .collect();
        let required = json!(required);
        if members.is_empty() {
            return Ok(());
        }
        adapted.insert("properties".to_owned(), Value::Object(members));
        if required != json!([]) {
            adapted.insert("required".to_owned(), required);
        }
        Ok(())
    }

    fn describe(&mut self, object: &Map<String, Value>, adapted: &mut Map<String, Value>) {
        adapted.extend(description_of(object));
        let texts = [adapted.get("description"), object.get("enum"), object.get("default")];
        self.bytes +=
            texts.into_iter().flatten().map(|value| value.as_str().map_or(64, str::len)).sum::<usize>();
        if let Some(Value::Array(values)) = object.get("enum") {
            self.bytes += values.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
        }
    }
}

/// The description, else the title: older servers do not know `title`.
fn description_of(object: &Map<String, Value>) -> Map<String, Value> {
    let words = object.get("description").or_else(|| object.get("title"));
    words.map(|words| ("description".to_owned(), words.clone())).into_iter().collect()
}

fn make_nullable(adapted: &mut Map<String, Value>) {
    if let Some(Value::Array(branches)) = adapted.get_mut("anyOf") {
        for branch in branches.iter_mut().filter_map(Value::as_object_mut) {
            branch.insert("nullable".to_owned(), json!(true));
        }
        return;
    }
    adapted.insert("nullable".to_owned(), json!(true));
}
