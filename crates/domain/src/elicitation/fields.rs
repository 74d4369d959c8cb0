//! The fields of a form: a flat object of single values (I3).

use super::{Refusal, choices, formats::Format, secrets::looks_secret};
use crate::{
    limits::{ELICITATION_FIELDS, ELICITATION_HELP_CHARS, ELICITATION_LABEL_CHARS, ELICITATION_TEXT_CHARS},
    text::{cut_chars, neutralise, quote, reveal},
};
use serde_json::{Map, Number, Value};

/// One field of a form.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key of the answer, byte for byte as the server wrote it.
    pub name: String,
    /// The title, else the name; one neutral line.
    pub label: String,
    pub description: Option<String>,
    pub required: bool,
    pub kind: FieldKind,
}

/// What a field takes, with what is filled in beforehand (I4).
#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    Text {
        min_length: Option<u64>,
        max_length: Option<u64>,
        format: Option<Format>,
        default: Option<String>,
    },
    Number {
        integer: bool,
        minimum: Option<Number>,
        maximum: Option<Number>,
        default: Option<Number>,
    },
    Boolean {
        default: Option<bool>,
    },
    /// One of the options.
    One {
        options: Vec<Choice>,
        default: Option<String>,
    },
    /// Some of the options.
    Many {
        options: Vec<Choice>,
        min_items: Option<u64>,
        max_items: Option<u64>,
        default: Vec<String>,
    },
}

/// An option of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the server gets, byte for byte.
    pub value: String,
    /// What the person reads; unique within its list.
    pub label: String,
}

/// The fields of `requestedSchema`, in the server's order.
pub(super) fn parse(schema: &Value) -> Result<Vec<Field>, Refusal> {
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| is_object) else {
        return Err(Refusal::Malformed {
            what: "has a `requestedSchema` that is no object with `properties`",
        });
    };
    if properties.len() > ELICITATION_FIELDS {
        return Err(Refusal::TooManyFields { count: properties.len() });
    }
    let required: Vec<&str> = match schema.get("required") {
        None => Vec::new(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) => return Err(Refusal::Malformed { what: "has a `required` that is no list" }),
    };
    if required.iter().any(|name| !properties.contains_key(*name)) {
        // No answer could ever satisfy the server.
        return Err(Refusal::Malformed { what: "requires a field that it does not describe" });
    }
    properties
        .iter()
        .map(|(name, property)| field(name, property, required.contains(&name.as_str())))
        .collect()
}

fn field(name: &str, property: &Value, required: bool) -> Result<Field, Refusal> {
    let label_of = |text: &str| quote(text.trim(), ELICITATION_LABEL_CHARS);
    let unusable = |why| Refusal::UnusableField { field: label_of(name), why };
    let Value::Object(property) = property else { return Err(unusable("has no description")) };
    let text = |key: &str| property.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let label = label_of(text("title").unwrap_or(name));

    let kind = match property.get("type").and_then(Value::as_str) {
        Some("object") => return Err(Refusal::NestedField { field: label }),
        Some("array") => choices::many(property, &label)?,
        Some("string") if property.contains_key("enum") || property.contains_key("oneOf") => {
            choices::one(property, &label)?
        }
        Some("string") => self::text(property).ok_or_else(|| unusable("has limits that cannot be read"))?,
        Some("number") => number(property, false),
        Some("integer") => number(property, true),
        Some("boolean") => FieldKind::Boolean { default: property.get("default").and_then(Value::as_bool) },
        // `$ref`, combinators, lists of types: no single value of a plain kind.
        _ => return Err(unusable("is of a kind that servers may not ask for")),
    };
    // A choice between given options and a yes or no give nothing away that the server does not know.
    if matches!(kind, FieldKind::Text { .. } | FieldKind::Number { .. }) && looks_secret(name, property) {
        return Err(Refusal::Secret { field: label });
    }
    let description = text("description")
        .map(|text| cut_chars(&neutralise(text.trim()), ELICITATION_HELP_CHARS).into_owned());
    Ok(Field { name: name.to_owned(), label, description, required, kind })
}

fn text(property: &Map<String, Value>) -> Option<FieldKind> {
    let limit = |key: &str| match property.get(key) {
        None => Some(None),
        Some(value) => value.as_u64().map(Some),
    };
    let (min_length, max_length) = (limit("minLength")?, limit("maxLength")?);
    if min_length.is_some_and(|min| min > max_length.unwrap_or(ELICITATION_TEXT_CHARS)) {
        return None;
    }
    let default = property.get("default").and_then(Value::as_str);
    Some(FieldKind::Text {
        min_length,
        max_length,
        // A format we do not know is a hint that we cannot give; the server checks it anyway.
        format: property.get("format").and_then(Value::as_str).and_then(Format::named),
        // What cannot be seen is not filled in: what is sent must be what was shown.
        default: default.filter(|text| reveal(text) == *text).map(str::to_owned),
    })
}

fn number(property: &Map<String, Value>, integer: bool) -> FieldKind {
    let number = |key: &str| property.get(key).and_then(Value::as_number).cloned();
    FieldKind::Number {
        integer,
        minimum: number("minimum"),
        maximum: number("maximum"),
        default: number("default").filter(|n| !integer || is_integer(n)),
    }
}

/// Whether a JSON number is whole; 3.0 is (JSON Schema 2020-12, 6.1.1).
pub(super) fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}
