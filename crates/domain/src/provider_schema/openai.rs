//! OpenAI and its kind without strict mode: nearly all of JSON Schema.
//!
//! <https://platform.openai.com/docs/guides/function-calling>; what is refused is known from its answers ("array schema missing items").

use super::{Notes, walk::each_child};
use serde_json::{Value, json};

pub(super) fn adapt(mut schema: Value, _notes: &mut Notes) -> Value {
    fill_items(&mut schema);
    schema
}

/// A list without `items` is refused; `{}` says the same.
fn fill_items(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    let is_list = match object.get("type") {
        Some(Value::String(name)) => name == "array",
        Some(Value::Array(names)) => names.iter().any(|name| name == "array"),
        _ => false,
    };
    if is_list {
        object.entry("items").or_insert_with(|| json!({}));
    }
    each_child(object, "", &mut |child, _| fill_items(child));
}
