//! Lists to choose from: plain values, values with titles, and the older `enumNames` (I3).

use super::{Choice, FieldKind, Refusal};
use crate::{
    limits::{ELICITATION_LABEL_CHARS, ELICITATION_OPTIONS},
    text::quote,
};
use serde_json::{Map, Value};

/// A string with `enum` (and `enumNames`), or with `oneOf` of `const` and `title`.
pub(super) fn one(property: &Map<String, Value>, label: &str) -> Result<FieldKind, Refusal> {
    let options = options(property, "oneOf", label)?;
    let default = property.get("default").and_then(Value::as_str);
    let default = default.filter(|value| is_option(&options, value)).map(str::to_owned);
    Ok(FieldKind::One { options, default })
}

/// A list whose `items` are such a string; with titles it says `anyOf`.
pub(super) fn many(property: &Map<String, Value>, label: &str) -> Result<FieldKind, Refusal> {
    let Some(Value::Object(items)) = property.get("items") else {
        return Err(Refusal::NestedField { field: label.to_owned() });
    };
    let keyword = if items.contains_key("anyOf") { "anyOf" } else { "oneOf" };
    let is_text = items.get("type").is_none_or(|kind| kind == "string");
    if !is_text || !(items.contains_key("enum") || items.contains_key(keyword)) {
        return Err(Refusal::NestedField { field: label.to_owned() });
    }
    let options = options(items, keyword, label)?;
    let default = property.get("default").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let default = default
        .iter()
        .filter_map(Value::as_str)
        .filter(|value| is_option(&options, value))
        .map(str::to_owned)
        .collect();
    let limit = |key: &str| property.get(key).and_then(Value::as_u64);
    Ok(FieldKind::Many { options, min_items: limit("minItems"), max_items: limit("maxItems"), default })
}

fn is_option(options: &[Choice], value: &str) -> bool {
    options.iter().any(|option| option.value == value)
}

fn options(schema: &Map<String, Value>, titled: &str, label: &str) -> Result<Vec<Choice>, Refusal> {
    let unusable = |why| Refusal::UnusableField { field: label.to_owned(), why };
    let pairs: Vec<(&Value, Option<&Value>)> = match (schema.get("enum"), schema.get(titled)) {
        (Some(Value::Array(values)), _) => {
            let names = schema.get("enumNames").and_then(Value::as_array);
            // Names that do not pair up would put the wrong words beside a value.
            let names = names.filter(|names| names.len() == values.len());
            values.iter().enumerate().map(|(at, value)| (value, names.map(|names| &names[at]))).collect()
        }
        (None, Some(Value::Array(options))) => options
            .iter()
            .map(|option| option.get("const").map(|value| (value, option.get("title"))))
            .collect::<Option<_>>()
            .ok_or_else(|| unusable("has an option without a value"))?,
        _ => return Err(unusable("has no list of options")),
    };
    if pairs.len() > ELICITATION_OPTIONS {
        return Err(Refusal::TooManyOptions { field: label.to_owned(), count: pairs.len() });
    }
    let mut choices: Vec<Choice> = Vec::with_capacity(pairs.len());
    for (value, title) in pairs {
        let value = value.as_str().ok_or_else(|| unusable("has an option that is no text"))?;
        if is_option(&choices, value) {
            continue;
        }
        let title = title.and_then(Value::as_str).map(str::trim).filter(|title| !title.is_empty());
        let mut shown = quote(title.unwrap_or(value), ELICITATION_LABEL_CHARS);
        // Two options that read alike cannot be told apart, so the later ones show their value or at least their place.
        if choices.iter().any(|choice| choice.label == shown) {
            shown = format!("{shown} ({})", quote(value, ELICITATION_LABEL_CHARS));
        }
        if choices.iter().any(|choice| choice.label == shown) {
            shown = format!("{shown} [{}]", choices.len() + 1);
        }
        choices.push(Choice { value: value.to_owned(), label: shown });
    }
    if choices.is_empty() {
        return Err(unusable("offers nothing to choose from"));
    }
    Ok(choices)
}
