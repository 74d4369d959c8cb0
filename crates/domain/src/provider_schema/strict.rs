//! OpenAI with `strict: true`: every property required, no others, few keywords.
//!
//! <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>. Optional arguments become nullable, so calls come back
//! with nulls that the tool does not know: see [`super::without_added_nulls`].

mod size;

use super::{
    Notes, Refused,
    reduce::{Words, branches, merge_all_of, tuple_items, type_of, types_of},
    walk::{below, resolve},
};
use crate::limits::{PROVIDER_SCHEMA_DEPTH, PROVIDER_SCHEMA_PARTS};
use serde_json::{Map, Value, json};

/// Formats that strict mode knows.
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// Keywords that stay as they are.
const KEPT: [&str; 11] = [
    "title",
    "description",
    "pattern",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "enum",
];
/// Keywords dealt with by name, or without meaning for a model.
const DONE: [&str; 17] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "const",
    "$defs",
    "definitions",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$anchor",
    "$dynamicAnchor",
    "format",
    "unevaluatedProperties",
];

pub(super) fn adapt(schema: &Value, notes: &mut Notes) -> Result<Value, Refused> {
    let mut adapter = Adapter { document: schema, notes, names: Vec::new(), parts: 0 };
    let mut adapted = adapter.convert(schema, "", 0)?;
    let mut definitions = Map::new();
    // Converting one definition may bring up further ones.
    while let Some((reference, name)) = adapter.names.get(definitions.len()).cloned() {
        let target = resolve(schema, &reference).cloned().unwrap_or_default();
        let path = reference.trim_start_matches('#').to_owned();
        definitions.insert(name, adapter.convert(&target, &path, 1)?);
    }
    if let Value::Object(root) = &mut adapted
        && !definitions.is_empty()
    {
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    size::check(&adapted)?;
    Ok(adapted)
}

struct Adapter<'a> {
    document: &'a Value,
    notes: &'a mut Notes,
    /// References that occur, each with the name of its definition, in the order in which they came up.
    names: Vec<(String, String)>,
    parts: usize,
}

impl Adapter<'_> {
    fn convert(&mut self, schema: &Value, path: &str, depth: usize) -> Result<Value, Refused> {
        self.parts += 1;
        if depth > PROVIDER_SCHEMA_DEPTH || self.parts > PROVIDER_SCHEMA_PARTS {
            return Err(Refused::new(path, "it grows without an end when its references are written out"));
        }
        let Value::Object(object) = schema else {
            return Err(Refused::new(path, "it takes any value, and every value needs a type"));
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return Ok(self.reference(object, reference, path));
        }
        let object = &merge_all_of(object, self.document, path)?;
        if object.contains_key("$ref") {
            return self.convert(&Value::Object(object.clone()), path, depth + 1);
        }
        if let Some((outside, inside)) = branches(object, path, self.notes) {
            return self.alternatives(outside, &inside, path, depth);
        }
        let types = types_of(object);
        let structured = |name: &String| name == "object" || name == "array";
        match types.as_slice() {
            [] => Err(Refused::new(path, "it takes any value, and every value needs a type")),
            [_] => self.typed(object, &types, path, depth),
            // A list of types can carry the keywords of plain values only.
            _ if types.iter().any(structured) => {
                let of_type = |name: &String| {
                    let mut one = object.clone();
                    one.insert("type".to_owned(), json!(name));
                    one.retain(|keyword, _| keyword != "title" && keyword != "description");
                    Value::Object(if name == "null" {
                        Map::from_iter([("type".to_owned(), json!("null"))])
                    } else {
                        one
                    })
                };
                let each: Vec<Value> = types.iter().map(of_type).collect();
                let mut outside = object.clone();
                outside.retain(|keyword, _| keyword == "title" || keyword == "description");
                self.alternatives(outside, &each, path, depth)
            }
            _ => self.typed(object, &types, path, depth),
        }
    }

    /// A reference stands alone in strict mode ("$ref cannot have keywords"); words beside it go around it.
    fn reference(&mut self, object: &Map<String, Value>, reference: &str, path: &str) -> Value {
        let target =
            if reference == "#" || reference == "#/" { "#".to_owned() } else { self.definition(reference) };
        let mut around = object.clone();
        around.shift_remove("$ref");
        if around.keys().any(|keyword| !matches!(keyword.as_str(), "title" | "description" | "default")) {
            self.notes.add(path, "what stands beside its `$ref` was left out");
        }
        around.retain(|keyword, _| keyword == "title" || keyword == "description");
        if around.is_empty() {
            return json!({"$ref": target});
        }
        around.insert("anyOf".to_owned(), json!([{"$ref": target}]));
        Value::Object(around)
    }

    /// Only `#` and `#/$defs/…` are taken, so every target becomes a definition.
    fn definition(&mut self, reference: &str) -> String {
        if let Some((_, name)) = self.names.iter().find(|(known, _)| known == reference) {
            return format!("#/$defs/{name}");
        }
        let last = reference.rsplit(['/', '#']).next().unwrap_or_default();
        let plain: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
            .take(40)
            .collect();
        let taken = |name: &str| name.is_empty() || self.names.iter().any(|(_, known)| known == name);
        let name = if taken(&plain) { format!("{plain}_{}", self.names.len() + 1) } else { plain };
        self.names.push((reference.to_owned(), name.clone()));
        format!("#/$defs/{name}")
    }

    fn alternatives(
        &mut self,
        mut outside: Map<String, Value>,
        branches: &[Value],
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        if branches.is_empty() {
            return Err(Refused::new(path, "none of its alternatives can be satisfied"));
        }
        let mut words = Words::default();
        if let Some(default) = outside.shift_remove("default") {
            words.add("default", &default);
        }
        outside.shift_remove("deprecated");
        words.into_description(&mut outside);
        let mut converted: Vec<Value> = Vec::with_capacity(branches.len());
        for (at, branch) in branches.iter().enumerate() {
            let branch = self.convert(branch, &format!("{path}/anyOf/{at}"), depth + 1)?;
            if !converted.contains(&branch) {
                converted.push(branch);
            }
        }
        outside.insert("anyOf".to_owned(), Value::Array(converted));
        Ok(Value::Object(outside))
    }

    fn typed(
        &mut self,
        object: &Map<String, Value>,
        types: &[String],
        path: &str,
        depth: usize,
    ) -> Result<Value, Refused> {
        let mut adapted = Map::new();
        adapted.insert("type".to_owned(), if let [one] = types { json!(one) } else { json!(types) });
        let mut words = Words::default();
        for (keyword, value) in object {
            match keyword.as_str() {
                "format" if value.as_str().is_some_and(|name| FORMATS.contains(&name)) => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                "format" => words.add(keyword, value),
                // Part of the language for objects of fixed members only in words.
                "const" => {
                    adapted.insert("enum".to_owned(), json!([value]));
                }
                known if KEPT.contains(&known) => {
                    adapted.insert(keyword.clone(), value.clone());
                }
                known if DONE.contains(&known) => {}
                _ if value.is_object() || value.is_array() && keyword != "default" => {
                    self.notes.add(path, format!("`{}` was left out", crate::text::quote(keyword, 40)));
                }
                _ => words.add(keyword, value),
            }
        }
        match types {
            [one] if one == "object" => self.members(object, &mut adapted, path, depth)?,
            [one] if one == "array" => {
                let items = tuple_items(object).or_else(|| object.get("items").cloned());
                if object.contains_key("prefixItems") {
                    self.notes.add(path, "the order of its items was left out");
                }
                let items = items.ok_or_else(|| {
                    Refused::new(path, "it is a list of any values, and every value needs a type")
                })?;
                adapted.insert("items".to_owned(), self.convert(&items, &below(path, "items"), depth + 1)?);
            }
            _ => {}
        }
        words.into_description(&mut adapted);
        Ok(Value::Object(adapted))
    }

    fn members(
        &mut self,
        object: &Map<String, Value>,
        adapted: &mut Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<(), Refused> {
        let none = Map::new();
        let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let is_open = object.get("additionalProperties").is_none_or(|more| *more != false);
        let is_map = object.contains_key("patternProperties")
            || object.contains_key("additionalProperties") && is_open;
        if properties.is_empty() && is_open && (is_map || !path.is_empty()) {
            return Err(Refused::new(path, "it takes an object whose members have no fixed names"));
        }
        if is_map {
            self.notes.add(path, "members beyond the named ones cannot be given");
        }
        let required = object.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let (mut members, mut names) = (Map::new(), Vec::new());
        for (name, property) in properties {
            // It may never be given.
            if *property == false {
                continue;
            }
            let step = below(&below(path, "properties"), name);
            let member = self.convert(property, &step, depth + 1)?;
            members.insert(name.clone(), if is_required(name) { member } else { nullable(member) });
            names.push(json!(name));
        }
        adapted.insert("properties".to_owned(), Value::Object(members));
        adapted.insert("required".to_owned(), Value::Array(names));
        adapted.insert("additionalProperties".to_owned(), json!(false));
        Ok(())
    }
}

/// The same schema or null: how strict mode says "optional".
fn nullable(schema: Value) -> Value {
    let Value::Object(mut object) = schema else { return schema };
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        let null = json!({"type": "null"});
        if !branches.contains(&null) {
            branches.push(null);
        }
        return Value::Object(object);
    }
    let types = types_of(&object);
    if object.contains_key("$ref") || types.iter().any(|name| name == "object" || name == "array") {
        // The words stay on the property, where the model looks for them.
        let mut around = Map::new();
        for keyword in ["title", "description"] {
            if let Some(value) = object.shift_remove(keyword) {
                around.insert(keyword.to_owned(), value);
            }
        }
        around.insert("anyOf".to_owned(), json!([object, {"type": "null"}]));
        return Value::Object(around);
    }
    if !types.iter().any(|name| name == "null") {
        let types: Vec<&str> = types.iter().map(String::as_str).chain(["null"]).collect();
        object.insert("type".to_owned(), json!(types));
    }
    if let Some(Value::Array(values)) = object.get_mut("enum")
        && !values.iter().any(|value| type_of(value) == "null")
    {
        values.push(Value::Null);
    }
    Value::Object(object)
}
