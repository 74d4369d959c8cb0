//! From a schema to fields. Looks two levels deep and no further, so that no schema is too deep for it.

use super::{Entry, Field, Form, INPUTS_MAX, Input, Kind, Limits, Scalar, Slot, values};
use domain::text::{cut_chars, quote, reveal};
use serde_json::{Map, Value};

/// Members of an object that get fields of their own; larger ones are typed as JSON.
const GROUP_MAX: usize = 20;
/// Values of a dropdown; longer lists are typed.
const CHOICES_MAX: usize = 200;
const LABEL_CHARS: usize = 80;
const HINT_CHARS: usize = 400;
/// Longer ones are not filled in.
const PRESET_CHARS: usize = 10_000;

/// Keywords that say more than one field can show.
const BEYOND: [&str; 9] = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

pub(super) fn form(schema: &Value) -> Form {
    let mut form = Form { fields: Vec::new(), left_out: 0, undescribed: true, inputs: 0 };
    let Some(root) = schema.as_object() else { return form };
    let Some(properties) = root.get("properties").and_then(Value::as_object) else {
        // An object of which nothing is said takes nothing that could be asked for; anything else is typed.
        form.undescribed = root.keys().any(|key| BEYOND.contains(&key.as_str()))
            || root.get("type").is_some_and(|kind| kind != "object")
            || !matches!(root.get("additionalProperties"), None | Some(Value::Bool(false)));
        return form;
    };
    form.undescribed = false;
    let required = required(root);
    let is_required = |name: &str| required.contains(&name);
    // What must be there comes first where not everything has room.
    let crowded = properties.len() > INPUTS_MAX;
    let (first, rest): (Vec<_>, Vec<_>) =
        properties.iter().partition(|(name, _)| !crowded || is_required(name));
    for (name, member) in first.into_iter().chain(rest) {
        let mut reader = Reader { root, next: form.inputs, preset: true };
        let field = reader.field(name, member, is_required(name), true);
        if reader.next > INPUTS_MAX {
            form.left_out += 1;
        } else {
            form.inputs = reader.next;
            form.fields.push(field);
        }
    }
    form
}

fn required(schema: &Map<String, Value>) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

struct Reader<'a> {
    /// Where local references lead.
    root: &'a Map<String, Value>,
    /// The place of the next slot.
    next: usize,
    /// Defaults are filled in. Not inside of an object that can be left out: it would never be.
    preset: bool,
}

impl Reader<'_> {
    fn field(&mut self, name: &str, schema: &Value, required: bool, may_nest: bool) -> Field {
        let nothing = Map::new();
        let outer = schema.as_object().unwrap_or(&nothing);
        let (inner, nullable) = without_null(resolved(self.root, outer));
        let inner = resolved(self.root, inner);
        let text = |key: &str| [outer, inner].iter().find_map(|part| part.get(key)).and_then(Value::as_str);
        let mut hint: Vec<String> = Vec::new();
        hint.extend(
            text("title").filter(|title| *title != name).map(|title| format!("{}.", reveal(title.trim()))),
        );
        hint.extend(text("description").map(|about| reveal(about.trim()).into_owned()));

        let members = inner.get("properties").and_then(Value::as_object);
        let kind = match members.filter(|members| may_nest && is_group(inner, members)) {
            Some(members) => self.group(inner, members, required),
            None => {
                let input = input(inner);
                let limits = Limits::of(inner);
                hint.extend(said_of(&limits, &input));
                let default = outer.get("default").or_else(|| inner.get("default"));
                let preset = self.preset_of(&input, default, required);
                if let (None, Some(default), false) = (&preset, default, self.preset) {
                    hint.push(format!("Without it: {}.", quote(&reveal(&default.to_string()), LABEL_CHARS)));
                }
                let preset = preset.unwrap_or_default();
                let slot = Slot { at: self.next, input, limits, nullable, preset };
                self.next += 1;
                Kind::One(slot)
            }
        };
        Field {
            name: name.to_owned(),
            label: quote(&reveal(name), LABEL_CHARS),
            hint: cut_chars(&hint.join(" "), HINT_CHARS).into_owned(),
            required,
            kind,
        }
    }

    fn group(&mut self, schema: &Map<String, Value>, members: &Map<String, Value>, needed: bool) -> Kind {
        let required = required(schema);
        let before = std::mem::replace(&mut self.preset, needed);
        let fields = members
            .iter()
            .map(|(name, member)| self.field(name, member, required.contains(&name.as_str()), false))
            .collect();
        self.preset = before;
        Kind::Group(fields)
    }

    /// What is filled in beforehand: the default, or the only value that there is.
    fn preset_of(&self, input: &Input, default: Option<&Value>, required: bool) -> Option<Entry> {
        let only = match input {
            Input::Choice(values) if required && values.len() == 1 => values.first(),
            _ => None,
        };
        // An empty default is what a field that is left empty gets anyway.
        let default = default.filter(|value| self.preset && !value.is_null() && (required || *value != ""));
        let value = only.or(default)?;
        let entry = values::entry(input, value);
        // What cannot be seen is not filled in: what is sent must be what was shown. An index is always seen.
        let seen = matches!(input, Input::Choice(_)) || reveal(&entry.text) == entry.text;
        (seen && entry.text.chars().nth(PRESET_CHARS).is_none()).then_some(entry)
    }
}

/// What a reference to a definition of the same schema stands for, one step far; whatever narrows it further stays as it is.
fn resolved<'a>(root: &'a Map<String, Value>, schema: &'a Map<String, Value>) -> &'a Map<String, Value> {
    let only_says = |key: &str| matches!(key, "$ref" | "title" | "description" | "default" | "examples");
    let named = schema.get("$ref").and_then(Value::as_str).and_then(|reference| {
        let (place, name) = reference.strip_prefix("#/")?.split_once('/')?;
        let known = matches!(place, "$defs" | "definitions") && !name.contains(['/', '~', '%']);
        root.get(place)?.get(name)?.as_object().filter(|_| known)
    });
    named.filter(|_| schema.keys().all(|key| only_says(key))).unwrap_or(schema)
}

/// The schema without "or null", and whether it was there: as a list of types, as `nullable`, or as a choice of two.
fn without_null(schema: &Map<String, Value>) -> (&Map<String, Value>, bool) {
    let is_null = |part: &Value| part.get("type").is_some_and(|kind| kind == "null");
    for key in ["anyOf", "oneOf"] {
        if let Some([one, other]) = schema.get(key).and_then(Value::as_array).map(Vec::as_slice)
            && is_null(one) != is_null(other)
            && !schema.contains_key("type")
            && let Some(inner) = if is_null(one) { other } else { one }.as_object()
        {
            return (inner, true);
        }
    }
    let listed = matches!(kinds(schema).as_slice(), [_, _]) && kinds(schema).contains(&"null");
    (schema, listed || schema.get("nullable").is_some_and(|flag| flag == true))
}

/// The types that a schema names.
fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The one type beside `null`.
fn kind(schema: &Map<String, Value>) -> Option<&str> {
    let named = kinds(schema);
    let mut others = named.iter().filter(|kind| **kind != "null");
    others.next().filter(|_| others.next().is_none()).copied()
}

fn is_plain(schema: &Map<String, Value>) -> bool {
    !schema.keys().any(|key| BEYOND.contains(&key.as_str()))
}

fn is_group(schema: &Map<String, Value>, members: &Map<String, Value>) -> bool {
    let is_object = matches!(kind(schema), Some("object")) || !schema.contains_key("type");
    is_object && is_plain(schema) && (1..=GROUP_MAX).contains(&members.len())
}

fn input(schema: &Map<String, Value>) -> Input {
    if !is_plain(schema) {
        return Input::Json;
    }
    if let Some(only) = schema.get("const") {
        return Input::Choice(vec![only.clone()]);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        if (1..=CHOICES_MAX).contains(&values.len()) {
            return Input::Choice(values.into_iter().cloned().collect());
        }
    }
    match kind(schema) {
        Some("array") => lines(schema).map_or(Input::Json, Input::Lines),
        Some(name) => match scalar(name) {
            Some(Scalar::Text) => Input::Text,
            Some(Scalar::Number { integer }) => Input::Number { integer },
            Some(Scalar::Boolean) => Input::Boolean,
            None => Input::Json,
        },
        None => Input::Json,
    }
}

fn scalar(kind: &str) -> Option<Scalar> {
    match kind {
        "string" => Some(Scalar::Text),
        "number" => Some(Scalar::Number { integer: false }),
        "integer" => Some(Scalar::Number { integer: true }),
        "boolean" => Some(Scalar::Boolean),
        _ => None,
    }
}

/// What the items of a list are, where each is one plain value.
fn lines(schema: &Map<String, Value>) -> Option<Scalar> {
    let items = schema.get("items")?.as_object().filter(|items| is_plain(items))?;
    // A list of types may hold `null`, which no line can say.
    let one = items.get("type").and_then(Value::as_str)?;
    scalar(one).filter(|_| !schema.contains_key("prefixItems"))
}

/// What the schema says of the value, in words, where that is short.
fn said_of(limits: &Limits, input: &Input) -> Option<String> {
    match input {
        Input::Number { .. } => limits.range(),
        Input::Lines(_) => Some("One a line.".to_owned()),
        Input::Json => Some("As JSON.".to_owned()),
        Input::Text | Input::Boolean | Input::Choice(_) => None,
    }
}
