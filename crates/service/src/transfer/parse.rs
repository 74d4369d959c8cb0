//! Text to JSON values: YAML or JSON, with every cap a stranger's file needs. Nothing is read twice and nothing expands.

use crate::{Error, Result};
use domain::{
    limits::{IMPORT_BYTES, IMPORT_DEPTH},
    text::{human_bytes, quote},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Characters of a parser's complaint that are passed on.
const COMPLAINT_CHARS: usize = 200;

/// Reads a document. `format` is `auto`, `yaml` or `json`.
pub(super) fn parse(text: &str, format: Option<&str>) -> Result<Value> {
    if text.len() > IMPORT_BYTES {
        let detail = format!(
            "Has {}; at most {} are possible. Split the file.",
            human_bytes(text.len()),
            human_bytes(IMPORT_BYTES)
        );
        return Err(Error::invalid_field("document", detail));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(Error::invalid_field("document", "Is empty. Paste a document, or choose a file."));
    }
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    match format.unwrap_or("auto") {
        "auto" if looks_like_json => json(text),
        "json" => json(text),
        "auto" | "yaml" => yaml(text),
        _ => Err(Error::invalid_field("format", "Use `auto`, `yaml` or `json`.")),
    }
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|error| complaint("JSON", &error))
}

fn yaml(text: &str) -> Result<Value> {
    let options = serde_saphyr::options! {
        // An alias repeats what was written once: a few lines would become gigabytes. Our documents need none.
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_documents: 1,
            max_inclusion_depth: 0,
            max_depth: IMPORT_DEPTH,
            flow_nesting_limit: IMPORT_DEPTH,
            max_total_scalar_bytes: IMPORT_BYTES,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        // Only true and false are switches; `no` and `on` are words.
        strict_booleans: true,
        // A complaint must not show lines around it: a secret may stand there.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Strict>(text, options).map(|strict| strict.0).map_err(|error| {
        match error.without_snippet() {
            serde_saphyr::Error::Budget { .. } => Error::invalid_field(
                "document",
                format!(
                    "This YAML is refused: it may hold no anchors and aliases, at most {IMPORT_DEPTH} levels, and one document."
                ),
            ),
            error => complaint("YAML", error),
        }
    })
}

fn complaint(language: &str, error: &dyn std::fmt::Display) -> Error {
    let said = quote(&error.to_string(), COMPLAINT_CHARS);
    Error::invalid_field("document", format!("Is no {language} that can be read: {said}."))
}

/// A value without a key given twice and without too many levels.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Levels(IMPORT_DEPTH).deserialize(deserializer).map(Self)
    }
}

/// How many levels may still be opened.
#[derive(Clone, Copy)]
struct Levels(usize);

impl Levels {
    fn below<E: de::Error>(self) -> std::result::Result<Self, E> {
        let deeper = self.0.checked_sub(1).map(Self);
        deeper.ok_or_else(|| E::custom(format_args!("more than {IMPORT_DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Levels {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_none<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(de::Error::custom(format_args!("`{}` is given twice", quote(&name, 40))));
            }
            let value = members.next_value_seed(below)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests;
