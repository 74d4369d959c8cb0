//! Fields of a server before and after, in the words of the editor.

use super::words::{auth_label, availability_label, field_label, registration_label, transport_label};
use api::{
    servers::{AuthType, Availability, Transport},
    transfer::FieldChange,
};
use domain::text::neutralise;
use leptos::prelude::*;
use serde_json::Value;

/// A field and what becomes of it: two cells of a list of definitions.
#[component]
pub(super) fn Change(change: FieldChange, is_new: bool) -> impl IntoView {
    let values = match change.secret {
        Some(word) => view! { <span>"Secret, "{shown(&word)}</span> }.into_any(),
        None if is_new => view! { <ins dir="auto">{value_text(&change.field, &change.new)}</ins> }.into_any(),
        None => view! {
            <del dir="auto"><span class="sr-only">"before: "</span>{value_text(&change.field, &change.old)}</del>
            <ins dir="auto"><span class="sr-only">"after: "</span>{value_text(&change.field, &change.new)}</ins>
        }
        .into_any(),
    };
    view! {
        <dt><FieldName field=change.field/></dt>
        <dd>{values}</dd>
    }
}

/// A field as the editor calls it; what the editor has not stays as the document has it.
#[component]
pub(super) fn FieldName(field: String) -> impl IntoView {
    match field_label(&field) {
        unknown if unknown == field => view! { <code>{shown(&field)}</code> }.into_any(),
        label => view! { {label.to_owned()} }.into_any(),
    }
}

/// A value for people: choices as the editor calls them, text as it is, lists by commas.
fn value_text(field: &str, value: &Value) -> String {
    let choice = value.as_str().and_then(|text| match field {
        "auth_type" => AuthType::parse(text).map(auth_label),
        "availability" => Availability::parse(text).map(availability_label),
        "transport" => Transport::parse(text).map(transport_label),
        "oauth2_registration" => registration_label(text),
        _ => None,
    });
    if let Some(label) = choice {
        return label.to_owned();
    }
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => shown(text),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).map(shown).collect::<Vec<_>>().join(", ")
        }
        other => shown(&other.to_string()),
    }
}

/// Text of a document, with nothing in it that reorders or hides text.
pub(super) fn shown(text: &str) -> String {
    neutralise(text).into_owned()
}
