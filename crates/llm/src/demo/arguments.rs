//! Arguments for a tool, from its schema and the user's message.
//!
//! What the schema requires is always there and always fits it (types, choices, lengths, bounds, counts, nesting;
//! `pattern` only as far as a default or example helps). What is optional is only there when the message speaks of it.

use super::{
    formats::format,
    message::Message,
    numbers::fitting,
    schema::{Asked, Kind, kind, resolved},
    words::words,
};
use crate::limits::{DEMO_SCHEMA_DEPTH, DEMO_SCHEMA_NODES};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeSet;

/// The arguments for `asked`. `subject` is what the message is about.
pub(super) fn fill(asked: &Asked<'_>, message: &Message<'_>, subject: &str) -> Value {
    let mut filler = Filler {
        root: asked.root,
        message,
        subject,
        names: Vec::new(),
        used_quotes: BTreeSet::new(),
        used_numbers: BTreeSet::new(),
        subject_used: false,
        nodes: DEMO_SCHEMA_NODES,
    };
    let schema = resolved(asked.root, asked.schema);
    Value::Object(filler.object(&schema, DEMO_SCHEMA_DEPTH))
}

struct Filler<'a> {
    root: &'a Value,
    message: &'a Message<'a>,
    subject: &'a str,
    /// Names of the parameters at hand: where one of them begins a pair, the value before it ends.
    names: Vec<String>,
    used_quotes: BTreeSet<usize>,
    used_numbers: BTreeSet<usize>,
    subject_used: bool,
    nodes: usize,
}

/// One parameter.
struct Field<'a> {
    name: &'a str,
    schema: &'a Map<String, Value>,
    required: bool,
    /// The only number that its object takes.
    only_number: bool,
}

impl Filler<'_> {
    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields: Vec<(&str, Map<String, Value>)> =
            properties.iter().map(|(name, schema)| (name.as_str(), resolved(self.root, schema))).collect();
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            let schema = schema.get("additionalProperties").unwrap_or(&Value::Null);
            fields.push((name, resolved(self.root, schema)));
        }
        let outer =
            std::mem::replace(&mut self.names, fields.iter().map(|(name, _)| (*name).to_owned()).collect());
        let is_number = |schema: &Map<String, Value>| matches!(kind(schema), Kind::Integer | Kind::Number);
        let numbers = fields.iter().filter(|(_, schema)| is_number(schema)).count();

        // Required ones choose first; the result keeps the schema's order.
        let mut values: Vec<Option<Value>> = vec![None; fields.len()];
        for wanted in [true, false] {
            for ((name, schema), value) in fields.iter().zip(&mut values) {
                if required.contains(name) == wanted && properties.get(*name) != Some(&Value::Bool(false)) {
                    let only_number = numbers == 1 && is_number(schema);
                    *value = self.value(&Field { name, schema, required: wanted, only_number }, depth);
                }
            }
        }
        // A search without a required word: the first field that is meant for words gets the subject.
        if depth == DEMO_SCHEMA_DEPTH
            && !self.subject_used
            && !self.subject.is_empty()
            && values.iter().all(Option::is_none)
        {
            let free = fields
                .iter()
                .position(|(name, schema)| kind(schema) == Kind::String && is_free_text(name, schema));
            if let Some(at) = free {
                values[at] = Some(json!(fit_length(self.subject, &fields[at].1)));
            }
        }
        self.names = outer;
        fields
            .iter()
            .zip(values)
            .filter_map(|((name, _), value)| Some(((*name).to_owned(), value?)))
            .collect()
    }

    fn value(&mut self, field: &Field<'_>, depth: usize) -> Option<Value> {
        let schema = field.schema;
        if let Some(constant) = schema.get("const") {
            return field.required.then(|| constant.clone());
        }
        if let Some(Value::Array(choices)) = schema.get("enum") {
            let mentioned = choices.iter().find(|choice| self.mentions(field.name, choice));
            return mentioned.cloned().or_else(|| {
                field
                    .required
                    .then(|| preset(schema).or_else(|| choices.first().cloned()).unwrap_or(Value::Null))
            });
        }
        // Beyond the caps only what is required, in its plainest form.
        let within = depth > 0 && self.nodes > 0;
        self.nodes = self.nodes.saturating_sub(1);
        match kind(schema) {
            Kind::String => self.string(field).map(Value::String),
            Kind::Integer => self.number(field, true),
            Kind::Number => self.number(field, false),
            Kind::Boolean => self.boolean(field).map(Value::Bool),
            Kind::Array if within => self.array(field, depth - 1),
            Kind::Object if within && field.required => {
                Some(preset(schema).unwrap_or_else(|| Value::Object(self.object(schema, depth - 1))))
            }
            Kind::Array => field.required.then(|| json!([])),
            Kind::Object => field.required.then(|| json!({})),
            Kind::Null => field.required.then_some(Value::Null),
        }
    }

    fn pair(&self, name: &str) -> Option<&str> {
        let others: Vec<&str> = self.names.iter().map(String::as_str).collect();
        self.message.pair(name, &others)
    }

    fn mentions(&self, name: &str, choice: &Value) -> bool {
        match (self.pair(name), choice) {
            (Some(pair), Value::String(text)) => pair.eq_ignore_ascii_case(text),
            (Some(pair), other) => serde_json::from_str::<Value>(pair).is_ok_and(|value| value == *other),
            (None, Value::String(text)) => self.message.mentions(text).is_some(),
            (None, Value::Number(number)) => self.message.numbers.iter().any(|found| found.value == *number),
            (None, _) => false,
        }
    }

    /// The quoted text next to the parameter's name, else the next one that nobody has.
    fn quote(&mut self, name: &str) -> Option<String> {
        let free = |at: &usize| !self.used_quotes.contains(at);
        let quotes = &self.message.quoted;
        let beside = (0..quotes.len()).filter(free).find(|at| {
            self.message.beside(name, &(quotes[*at].start..quotes[*at].start + quotes[*at].text.len()))
        });
        let at = beside.or_else(|| (0..quotes.len()).find(free))?;
        self.used_quotes.insert(at);
        Some(quotes[at].text.to_owned())
    }

    fn string(&mut self, field: &Field<'_>) -> Option<String> {
        let schema = field.schema;
        if let Some(format) = schema.get("format").and_then(Value::as_str).and_then(format) {
            let found = self.message.token(format.fits).map(str::to_owned);
            let preset = || preset(schema).and_then(|value| value.as_str().map(str::to_owned));
            return found
                .or_else(|| field.required.then(|| preset().unwrap_or_else(|| format.example.to_owned())));
        }
        if let Some(pair) = self.pair(field.name).map(str::to_owned) {
            self.subject_used = true;
            return Some(fit_length(&pair, schema));
        }
        if (field.required || is_free_text(field.name, schema))
            && let Some(quote) = self.quote(field.name)
        {
            self.subject_used = true;
            return Some(fit_length(&quote, schema));
        }
        if !field.required {
            return None;
        }
        if let Some(Value::String(text)) = preset(schema) {
            return Some(text);
        }
        // The first one gets what the message is about, the next ones all of it.
        let text = if std::mem::replace(&mut self.subject_used, true) {
            self.message.text.trim()
        } else {
            self.subject
        };
        Some(fit_length(text, schema))
    }

    fn number(&mut self, field: &Field<'_>, integer: bool) -> Option<Value> {
        let pair = self.pair(field.name).and_then(|text| text.parse::<Number>().ok());
        let found = pair.or_else(|| {
            let numbers = &self.message.numbers;
            let free = |at: &usize| !self.used_numbers.contains(at);
            let beside = (0..numbers.len())
                .filter(free)
                .find(|at| self.message.beside(field.name, &numbers[*at].range));
            let any =
                || (field.required || field.only_number).then(|| (0..numbers.len()).find(free)).flatten();
            let at = beside.or_else(any)?;
            self.used_numbers.insert(at);
            Some(numbers[at].value.clone())
        });
        match (found, preset(field.schema)) {
            (Some(number), _) => Some(fitting(Some(&number), field.schema, integer)),
            (None, Some(preset)) if field.required => Some(preset),
            (None, _) => field.required.then(|| fitting(None, field.schema, integer)),
        }
    }

    fn boolean(&self, field: &Field<'_>) -> Option<bool> {
        if let Some(pair) = self.pair(field.name) {
            let first = words(pair).into_iter().next().map(|word| word.text).unwrap_or_default();
            return Some(matches!(first.as_str(), "true" | "yes" | "on" | "1"));
        }
        if let Some(at) = self.message.mentions(field.name) {
            let denied = self.message.words[at.saturating_sub(2)..at]
                .iter()
                .any(|word| matches!(word.text.as_str(), "not" | "no" | "without" | "don" | "never"));
            return Some(!denied);
        }
        field.required.then(|| preset(field.schema).and_then(|value| value.as_bool()).unwrap_or(false))
    }

    fn array(&mut self, field: &Field<'_>, depth: usize) -> Option<Value> {
        let schema = field.schema;
        let count = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (min, max) = (count("minItems").unwrap_or(0), count("maxItems").unwrap_or(usize::MAX));
        let item = schema.get("items").filter(|items| !items.is_array()).unwrap_or(&Value::Null);
        let item = resolved(self.root, item);
        // Fixed places first: `prefixItems`, in older drafts a list under `items`.
        let places = ["prefixItems", "items"].iter().find_map(|key| schema.get(*key)?.as_array());
        let places: Vec<_> = places.into_iter().flatten().map(|place| resolved(self.root, place)).collect();

        let mut values = if places.is_empty() { self.elements(field, &item) } else { Vec::new() };
        if values.is_empty() && !field.required {
            return None;
        }
        if values.is_empty()
            && let Some(preset) = preset(schema)
        {
            return Some(preset);
        }
        let least = if schema.get("maxItems").is_none() && min == 0 && !places.is_empty() {
            places.len()
        } else {
            min
        };
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut tries = 0;
        while values.len() < least && values.len() < max && self.nodes > 0 {
            let schema = places.get(values.len()).unwrap_or(&item);
            let value =
                self.value(&Field { name: field.name, schema, required: true, only_number: false }, depth);
            let value =
                if unique && tries > 0 { value.map(|value| varied(value, schema, tries)) } else { value };
            self.nodes = self.nodes.saturating_sub(1);
            tries += 1;
            let value = value.unwrap_or(Value::Null);
            if !(unique && values.contains(&value)) {
                values.push(value);
            }
        }
        values.truncate(max);
        Some(Value::Array(values))
    }

    /// The elements that the message itself speaks of.
    fn elements(&mut self, field: &Field<'_>, item: &Map<String, Value>) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::new();
        if let Some(Value::Array(choices)) = item.get("enum") {
            values.extend(choices.iter().filter(|choice| self.mentions(field.name, choice)).cloned());
            return values;
        }
        let list: Vec<String> = self
            .pair(field.name)
            .map(|pair| {
                pair.split([',', ' '])
                    .map(|part| part.trim_matches(['[', ']', '"']))
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        match kind(item) {
            Kind::String if !item.contains_key("format") => {
                let commas = self.pair(field.name).map(|pair| {
                    pair.split(',')
                        .map(|part| part.trim().trim_matches(['[', ']', '"']).trim().to_owned())
                        .collect()
                });
                let texts: Vec<String> = commas.unwrap_or_else(|| {
                    if !field.required {
                        return Vec::new();
                    }
                    let mut texts: Vec<String> = Vec::new();
                    while let Some(quote) = self.quote(field.name) {
                        texts.push(quote);
                    }
                    if texts.is_empty() && !field.schema.contains_key("default") && !self.subject.is_empty() {
                        self.subject_used = true;
                        texts.push(self.subject.to_owned());
                    }
                    texts
                });
                for text in texts.iter().filter(|text| !text.is_empty()) {
                    let value = json!(fit_length(text, item));
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
            }
            integer @ (Kind::Integer | Kind::Number) => {
                let mut numbers: Vec<Number> = list.iter().filter_map(|part| part.parse().ok()).collect();
                if numbers.is_empty() && field.required {
                    let free = |at: &usize| !self.used_numbers.contains(at);
                    let at: Vec<usize> = (0..self.message.numbers.len()).filter(free).collect();
                    numbers.extend(at.iter().map(|at| self.message.numbers[*at].value.clone()));
                    self.used_numbers.extend(at);
                }
                for number in &numbers {
                    let value = fitting(Some(number), item, integer == Kind::Integer);
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
            }
            _ => {}
        }
        values
    }
}

/// What the schema itself proposes.
fn preset(schema: &Map<String, Value>) -> Option<Value> {
    let example =
        || schema.get("examples").and_then(|examples| examples.get(0)).or_else(|| schema.get("example"));
    schema.get("default").filter(|value| !value.is_null()).or_else(example).cloned()
}

/// Another value of the same kind, for a list without repetitions.
fn varied(value: Value, schema: &Map<String, Value>, turn: usize) -> Value {
    match (&value, schema.get("enum")) {
        (_, Some(Value::Array(choices))) => {
            choices.get(turn % choices.len().max(1)).cloned().unwrap_or(value)
        }
        (Value::String(text), _) => {
            let max = length(schema, "maxLength").unwrap_or(usize::MAX);
            let suffix = format!(" {turn}");
            let room = max.saturating_sub(suffix.chars().count());
            json!(text.chars().take(room).chain(suffix.chars()).take(max).collect::<String>())
        }
        (Value::Number(number), _) => {
            let step = schema.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0);
            let wish = number.as_f64().and_then(|n| Number::from_f64(n + step * turn as f64));
            fitting(wish.as_ref(), schema, kind(schema) == Kind::Integer)
        }
        (Value::Bool(value), _) => json!(value ^ (turn % 2 == 1)),
        _ => value,
    }
}

/// A field that takes words of the user, by its name.
fn is_free_text(name: &str, schema: &Map<String, Value>) -> bool {
    const WORDS: [&str; 18] = [
        "query",
        "search",
        "text",
        "q",
        "name",
        "title",
        "message",
        "content",
        "input",
        "prompt",
        "term",
        "phrase",
        "keyword",
        "subject",
        "question",
        "topic",
        "body",
        "description",
    ];
    !schema.contains_key("format")
        && !schema.contains_key("default")
        && words(name)
            .iter()
            .any(|word| WORDS.contains(&word.text.as_str()) || WORDS.contains(&word.stem.as_str()))
}

fn length(schema: &Map<String, Value>, key: &str) -> Option<usize> {
    schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}

/// `text`, cut or repeated to the length that `schema` takes, in characters.
fn fit_length(text: &str, schema: &Map<String, Value>) -> String {
    /// A schema that asks for a longer text than this asks for mischief.
    const LONGEST_PADDING: usize = 10_000;
    let text = if text.is_empty() { "text" } else { text };
    let max = length(schema, "maxLength").unwrap_or(usize::MAX);
    let min = length(schema, "minLength").unwrap_or(0).min(LONGEST_PADDING);
    let mut fitted: String = text.chars().take(max).collect();
    let missing = min.saturating_sub(fitted.chars().count());
    fitted.extend(std::iter::once(' ').chain(text.chars()).cycle().take(missing));
    fitted
}
