//! The documented sizes of strict mode, measured on what would be sent.

use crate::{
    limits::{
        STRICT_CHARS, STRICT_ENUM_VALUES, STRICT_LARGE_ENUM, STRICT_LARGE_ENUM_CHARS, STRICT_LEVELS,
        STRICT_PROPERTIES,
    },
    provider_schema::Refused,
};
use serde_json::{Map, Value};

#[derive(Default)]
struct Size {
    properties: usize,
    levels: usize,
    enum_values: usize,
    chars: usize,
    largest_enum_chars: usize,
}

pub(super) fn check(schema: &Value) -> Result<(), Refused> {
    let mut size = Size::default();
    size.add(schema, 0);
    for (is, most, what) in [
        (size.properties, STRICT_PROPERTIES, "properties"),
        (size.levels, STRICT_LEVELS, "nested levels"),
        (size.enum_values, STRICT_ENUM_VALUES, "listed values"),
        (size.chars, STRICT_CHARS, "characters of names and values"),
        (size.largest_enum_chars, STRICT_LARGE_ENUM_CHARS, "characters in one list of values"),
    ] {
        if is > most {
            return Err(Refused::new("", format!("it has {is} {what}; at most {most} are taken")));
        }
    }
    Ok(())
}

impl Size {
    /// Recursion is as deep as the adapter's own.
    fn add(&mut self, schema: &Value, level: usize) {
        let Value::Object(object) = schema else { return };
        self.values(object);
        let mut level = level;
        for keyword in ["properties", "$defs"] {
            let Some(named) = object.get(keyword).and_then(Value::as_object) else { continue };
            self.chars += named.keys().map(|name| name.chars().count()).sum::<usize>();
            if keyword == "properties" {
                self.properties += named.len();
                level += 1;
                self.levels = self.levels.max(level);
            }
            let below = if keyword == "properties" { level } else { 0 };
            named.values().for_each(|value| self.add(value, below));
        }
        if let Some(items) = object.get("items") {
            self.add(items, level);
        }
        if let Some(branches) = object.get("anyOf").and_then(Value::as_array) {
            branches.iter().for_each(|branch| self.add(branch, level));
        }
    }

    fn values(&mut self, object: &Map<String, Value>) {
        let Some(values) = object.get("enum").and_then(Value::as_array) else { return };
        let chars: usize = values.iter().filter_map(Value::as_str).map(|text| text.chars().count()).sum();
        self.enum_values += values.len();
        self.chars += chars;
        if values.len() > STRICT_LARGE_ENUM {
            self.largest_enum_chars = self.largest_enum_chars.max(chars);
        }
    }
}
