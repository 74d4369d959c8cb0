//! The fields of *Try a tool*.

use super::{
    form::{Field, Input, Kind, Slot},
    trial::Draft,
};
use crate::components::{SelectField, TextArea, TextField};
use domain::text::{quote, reveal};
use leptos::prelude::*;
use serde_json::Value;

/// Characters of one value in a dropdown.
const CHOICE_CHARS: usize = 120;
/// Members that are named beside the fields.
const NAMED: usize = 10;

/// Every field, or the whole as JSON.
#[component]
pub(super) fn Inputs(draft: Draft) -> impl IntoView {
    move || {
        if draft.as_json.get() {
            return view! {
                <TextArea name="try-json" label="Arguments" value=draft.text rows=8 mono=true error=draft.whole
                    hint="A JSON object, sent as it stands here."/>
            }
            .into_any();
        }
        let fields = draft.form.with_value(|form| form.fields.clone());
        let left_out = draft.form.with_value(|form| form.left_out);
        let none =
            fields.is_empty().then(|| view! { <p class="field-hint">"The tool describes no arguments."</p> });
        let fields = fields.into_iter().map(|field| view! { <OneField draft field/> }).collect_view();
        view! {
            <div class="stack try-fields">
                {none}
                {fields}
                {(left_out > 0).then(|| view! {
                    <p class="field-hint">{format!("{left_out} more arguments have no field here. “As JSON” takes them.")}</p>
                })}
                <Beside draft/>
            </div>
        }
        .into_any()
    }
}

/// What was typed as JSON and has no field.
#[component]
fn Beside(draft: Draft) -> impl IntoView {
    move || {
        let names = draft.rest.with(|rest| {
            let mut names: Vec<String> =
                rest.keys().take(NAMED).map(|name| quote(&reveal(name), CHOICE_CHARS)).collect();
            if rest.len() > NAMED {
                names.push(format!("{} more", rest.len() - NAMED));
            }
            names.join(", ")
        });
        (!names.is_empty())
            .then(|| view! { <p class="field-hint">{format!("Also sent, from the JSON text: {names}.")}</p> })
    }
}

#[component]
fn OneField(draft: Draft, field: Field) -> impl IntoView {
    let Field { label, hint, required, kind, .. } = field;
    let label = if required { format!("{label} (required)") } else { label };
    match kind {
        Kind::One(slot) => view! { <SlotField draft place=slot label hint required/> }.into_any(),
        Kind::Group(members) => {
            let members = members
                .into_iter()
                .filter_map(|member| {
                    let Kind::One(slot) = member.kind else { return None };
                    let required = member.required;
                    let label = if required { format!("{} (required)", member.label) } else { member.label };
                    Some(view! { <SlotField draft place=slot label hint=member.hint required/> })
                })
                .collect_view();
            view! {
                <fieldset class="try-group">
                    <legend class="field-label">{label}</legend>
                    {(!hint.is_empty()).then(|| view! { <p class="field-hint">{hint}</p> })}
                    <div class="stack">{members}</div>
                </fieldset>
            }
            .into_any()
        }
    }
}

#[component]
fn SlotField(draft: Draft, place: Slot, label: String, hint: String, required: bool) -> impl IntoView {
    let at = place.at;
    let (value, error) = (draft.slot_text(at), draft.problem_at(at));
    let name = format!("try-{at}");
    let input = if draft.slot_is_json(at) { Input::Json } else { place.input };
    let nothing = if required { "Choose" } else { "Left out" };
    match input {
        Input::Text => view! { <TextArea name label value hint error rows=1/> }.into_any(),
        Input::Number { .. } => view! { <TextField name label value hint error mono=true/> }.into_any(),
        Input::Lines(_) => view! { <TextArea name label value hint error rows=3 mono=true/> }.into_any(),
        Input::Json => {
            view! { <TextArea name label value hint error rows=3 mono=true placeholder="JSON"/> }.into_any()
        }
        Input::Boolean => {
            let options = [("", nothing), ("true", "true"), ("false", "false")];
            let options = options.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
            view! { <SelectField name label value hint error options=Signal::stored(options)/> }.into_any()
        }
        Input::Choice(values) => {
            let choices = values.iter().enumerate().map(|(index, value)| (index.to_string(), choice(value)));
            let options: Vec<_> = [(String::new(), nothing.to_owned())].into_iter().chain(choices).collect();
            view! { <SelectField name label value hint error options=Signal::stored(options)/> }.into_any()
        }
    }
}

/// A value as the dropdown shows it.
fn choice(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    quote(&reveal(&text), CHOICE_CHARS)
}
