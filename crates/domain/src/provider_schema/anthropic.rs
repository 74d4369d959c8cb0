//! Anthropic: 2020-12 with an object at the root, whose property names are restricted.
//!
//! <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview>; "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'"
//! is known from its answers and concerns the root only.

use super::{Notes, Refused, walk::below};
use crate::text::quote;
use serde_json::Value;

/// Characters of an argument's name.
const NAME_CHARS: usize = 64;

pub(super) fn adapt(mut schema: Value, notes: &mut Notes) -> Result<Value, Refused> {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return Ok(schema) };
    let refused: Vec<String> = properties.keys().filter(|name| !is_name(name)).cloned().collect();
    for name in refused {
        let path = below("/properties", &name);
        let shown = quote(&name, 80);
        // Renaming it would need a way back for every call; a tool that can do without is better than that.
        if is_required(&name) {
            return Err(Refused::new(
                &path,
                format!(
                    "its required argument \"{shown}\" has a name with characters beyond a-z, 0-9, `_`, `.` and `-`, or of more than {NAME_CHARS}"
                ),
            ));
        }
        properties.shift_remove(&name);
        notes.add(&path, format!("the optional argument \"{shown}\" was left out because of its name"));
    }
    Ok(schema)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
