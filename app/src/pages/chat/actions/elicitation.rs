//! A server asks during a call: a short form, or a page to visit. The answer goes to that server only.

use super::{Refused, TimeLeft, part_id};
use crate::{components::BusyButton, error::UiError, server_fns::chats::elicitation_answer};
use api::{
    Uuid,
    actions::{ActionState, ChatAction, ElicitationAnswer, Question, QuestionField},
};
use domain::text::reveal;
use leptos::{prelude::*, task::spawn_local};
use serde_json::{Map, Number, Value};

/// What a person has entered in one field, as text; of a list, one value a line.
type Entry = (QuestionField, RwSignal<String>);

/// Which server asks, what it wants, Send, Decline and Dismiss.
#[component]
pub(super) fn ElicitationCard(
    chat_id: Uuid,
    action: ChatAction,
    decided: Callback<ChatAction>,
) -> impl IntoView {
    let (id, state) = (action.id, action.state);
    let server = reveal(&action.server_name).into_owned();
    let question = action.question.clone().unwrap_or(Question {
        message: String::new(),
        fields: Vec::new(),
        url: None,
        host: String::new(),
        warnings: Vec::new(),
    });
    let entries: Vec<Entry> = question
        .fields
        .iter()
        .map(|field| (field.clone(), RwSignal::new(entered(field.default.as_ref()))))
        .collect();
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let kept = StoredValue::new(entries.clone());
    let send = move |action: &'static str| {
        busy.set(true);
        refused.set(None);
        let content = (action == "accept").then(|| kept.with_value(|entries| content(entries)));
        let answer =
            ElicitationAnswer { action: action.to_owned(), content: content.filter(|map| !map.is_empty()) };
        spawn_local(async move {
            match elicitation_answer(chat_id, id, answer).await {
                // The stream may have replaced this card already.
                Ok(action) => {
                    let _ = decided.try_run(action);
                }
                Err(error) => {
                    refused.try_set(Some(error));
                }
            }
            busy.try_set(false);
        });
    };
    let (head, by) = (part_id(id, "head"), part_id(id, "head"));
    let is_page = question.url.is_some();
    let fields = entries
        .into_iter()
        .enumerate()
        .map(|(at, (field, value))| view! { <FieldInput id=part_id(id, &at.to_string()) field value refused /> })
        .collect_view();
    view! {
        <section class="action-card" aria-labelledby=by data-testid="elicitation" data-state=state.as_str()>
            <h3 class="action-title" id=head><bdi>{server}</bdi> " asks you"</h3>
            // Plain text: nothing in it becomes a link.
            <p class="action-message" dir="auto">{question.message.clone()}</p>
            {question.url.clone().map(|url| view! { <Page url host=question.host.clone() warnings=question.warnings.clone() /> })}
            {match state {
                ActionState::Open => view! {
                    <form
                        class="action-form"
                        novalidate=true
                        on:submit=move |event| {
                            event.prevent_default();
                            send("accept");
                        }
                    >
                        {fields}
                        <div class="action-buttons">
                            <BusyButton label=if is_page { "I'm done" } else { "Send" } class="btn-primary btn-small" busy />
                            <BusyButton label="Decline" class="btn-small" busy on_press=Callback::new(move |()| send("decline")) />
                            <BusyButton label="Dismiss" class="btn-small" busy on_press=Callback::new(move |()| send("cancel")) />
                            <TimeLeft until=action.expires_at />
                        </div>
                        <p class="chat-faint">"What you enter goes to this server only; the model does not see it. Do not enter passwords."</p>
                    </form>
                }
                .into_any(),
                ActionState::Answered => view! { <p class="action-decided" role="status">"Sent."</p> }.into_any(),
                ActionState::Denied => view! { <p class="action-decided" role="status">"Declined."</p> }.into_any(),
                _ => view! { <p class="action-decided" role="status">"No longer asked."</p> }.into_any(),
            }}
            <Refused refused />
        </section>
    }
}

/// The whole address as text, its domain, and a button that opens it elsewhere: Patchbay never does by itself.
#[component]
fn Page(url: String, host: String, warnings: Vec<String>) -> impl IntoView {
    let shown = reveal(&url).into_owned();
    view! {
        <div class="action-arguments">
            <span class="action-head">"A page on " <strong><bdi>{host}</bdi></strong></span>
            <code class="action-code" dir="ltr" data-testid="whole-url">{shown}</code>
            {warnings.into_iter().map(|warning| view! { <p class="action-warn" role="note">{warning}</p> }).collect_view()}
            <a class="btn btn-small" href=url target="_blank" rel="noopener noreferrer external">"Open in new tab"</a>
        </div>
    }
}

#[component]
fn FieldInput(
    id: String,
    field: QuestionField,
    value: RwSignal<String>,
    refused: RwSignal<Option<UiError>>,
) -> impl IntoView {
    let path = format!("content.{}", field.name);
    let wrong = Memo::new(move |_| refused.with(|refused| refused.as_ref()?.field(&path)));
    let label = format!("{}{}", field.label, if field.required { "" } else { " (optional)" });
    let (its, hint, described) = (id.clone(), format!("{id}-hint"), format!("{id}-hint"));
    let many = field.kind == "many";
    let input = match field.kind.as_str() {
        "boolean" => view! {
            <select class="input" id=id aria-describedby=described prop:value=move || value.get() on:change=move |event| value.set(event_target_value(&event))>
                <option value="" selected=move || value.get().is_empty()>"Choose"</option>
                <option value="true" selected=move || value.get() == "true">"Yes"</option>
                <option value="false" selected=move || value.get() == "false">"No"</option>
            </select>
        }
        .into_any(),
        "one" => view! {
            <select class="input" id=id aria-describedby=described on:change=move |event| value.set(event_target_value(&event))>
                <option value="" selected=move || value.get().is_empty()>"Choose"</option>
                {field
                    .options
                    .iter()
                    .map(|option| {
                        let this = option.value.clone();
                        view! { <option value=option.value.clone() selected=move || value.get() == this>{option.label.clone()}</option> }
                    })
                    .collect_view()}
            </select>
        }
        .into_any(),
        "many" => view! {
            <div id=id role="group" aria-label=field.label.clone() class="action-form">
                {field
                    .options
                    .iter()
                    .map(|option| {
                        let (this, that) = (option.value.clone(), option.value.clone());
                        view! {
                            <label class="action-check">
                                <input
                                    type="checkbox"
                                    prop:checked=move || value.get().lines().any(|line| line == this)
                                    on:change=move |event| value.update(|text| toggle(text, &that, event_target_checked(&event)))
                                />
                                {option.label.clone()}
                            </label>
                        }
                    })
                    .collect_view()}
            </div>
        }
        .into_any(),
        kind => {
            let mode = match kind {
                "integer" => "numeric",
                "number" => "decimal",
                _ => "text",
            };
            view! {
                <input
                    class="input"
                    id=id
                    type="text"
                    inputmode=mode
                    autocomplete="off"
                    dir="auto"
                    aria-describedby=described
                    prop:value=move || value.get()
                    on:input=move |event| value.set(event_target_value(&event))
                />
            }
            .into_any()
        }
    };
    let head = match many {
        true => view! { <span class="action-head">{label}</span> }.into_any(),
        false => view! { <label class="action-head" for=its>{label}</label> }.into_any(),
    };
    view! {
        <div class="action-field">
            {head}
            {input}
            <p class="chat-faint" id=hint dir="auto">{field.description}</p>
            <p class="chat-field-error" role="alert">{move || wrong.get()}</p>
        </div>
    }
}

/// A default as it stands in its field.
fn entered(default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        Some(other) => other.to_string(),
    }
}

fn toggle(text: &mut String, value: &str, on: bool) {
    let mut lines: Vec<&str> = text.lines().filter(|line| *line != value).collect();
    if on {
        lines.push(value);
    }
    *text = lines.join("\n");
}

/// The values as they are sent; what is no number is sent as it was written, and refused with words.
fn content(entries: &[Entry]) -> Map<String, Value> {
    let value = |field: &QuestionField, text: String| match field.kind.as_str() {
        "boolean" => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Null,
        },
        "integer" | "number" => text.trim().parse::<Number>().map_or(Value::String(text), Value::Number),
        "many" => Value::Array(text.lines().map(|line| Value::String(line.to_owned())).collect()),
        _ => Value::String(text),
    };
    entries
        .iter()
        .map(|(field, entry)| (field, entry.get_untracked()))
        .filter(|(_, text)| !text.is_empty())
        .map(|(field, text)| (field.name.clone(), value(field, text)))
        .collect()
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::super::tests::{action, drawn};
    use super::*;
    use leptos::reactive::owner::Owner;
    use serde_json::json;

    fn card(question: &Value) -> String {
        let mut asked = action("elicitation", "open", &Value::Null);
        asked.question = Some(serde_json::from_value(question.clone()).unwrap());
        drawn(|| view! { <ElicitationCard chat_id=Uuid::nil() action=asked decided=Callback::new(|_| ()) /> })
    }

    #[test]
    fn a_form_says_who_asks_and_has_its_fields_and_three_buttons() {
        let html = card(&json!({"message": "See https://evil.example <b>", "fields": [
            {"name": "row", "label": "Row", "required": true, "kind": "integer", "default": 3},
            {"name": "class", "label": "Class", "required": false, "kind": "one", "options": [{"value": "1", "label": "First"}]},
        ]}));
        for part in [
            "Linear",
            "asks you",
            "Row",
            "Class (optional)",
            "First",
            "Send",
            "Decline",
            "Dismiss",
            "&lt;b&gt;",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("href"), "a message has no links: {html}");
    }

    #[test]
    fn a_page_is_shown_whole_and_opened_by_the_person_only() {
        let url = "https://sign.example/a?b=c";
        let html = card(
            &json!({"message": "Sign", "url": url, "host": "sign.example", "warnings": ["Look twice."]}),
        );
        for part in ["sign.example", url, "Look twice.", "noopener noreferrer", "I&#x27;m done"] {
            assert!(html.contains(part) || html.contains(&part.replace("&#x27;", "'")), "{part} in {html}");
        }
        assert!(!html.contains("<iframe") && !html.contains("<img"), "{html}");
    }

    #[test]
    fn values_are_sent_by_their_kind() {
        let field = |name: &str, kind: &str| -> QuestionField {
            serde_json::from_value(json!({"name": name, "label": name, "required": false, "kind": kind}))
                .unwrap()
        };
        Owner::new().with(|| {
            let entries: Vec<Entry> = [
                ("n", "integer", "3"),
                ("x", "number", "no"),
                ("b", "boolean", "true"),
                ("m", "many", "a\nb"),
                ("t", "text", "hi"),
                ("e", "text", ""),
            ]
            .into_iter()
            .map(|(name, kind, text)| (field(name, kind), RwSignal::new(text.to_owned())))
            .collect();
            let sent = Value::Object(content(&entries));
            assert_eq!(sent, json!({"n": 3, "x": "no", "b": true, "m": ["a", "b"], "t": "hi"}));
        });
        let mut text = "a".to_owned();
        toggle(&mut text, "b", true);
        toggle(&mut text, "a", false);
        assert_eq!(text, "b");
    }
}
