//! Below a call that waits: what is asked of the person, and the buttons. What is decided comes back by the stream, to every tab.

mod approval;
mod client_tool;
mod elicitation;

use super::{
    shared::OpenChat,
    transcript::{
        Transcript,
        call::{CallState, CallView},
    },
};
use crate::{browser, error::UiError};
use api::{
    Timestamp, Uuid,
    actions::{ActionKind, ActionState, ChatAction},
};
use approval::ApprovalCard;
use client_tool::ClientToolCard;
use domain::text::reveal;
use elicitation::ElicitationCard;
use leptos::prelude::*;
use serde_json::Value;
use std::time::Duration;

/// How often a countdown moves.
const TICK: Duration = Duration::from_secs(1);

/// Nothing unless the turn waits for something about this call.
#[component]
pub(super) fn CallActions(call: Memo<Option<CallView>>, chat: OpenChat) -> impl IntoView {
    let wanted = Memo::new(move |_| {
        // What is decided stays in sight until the turn goes on.
        let id = call.with(|call| {
            let due = |call: &&CallView| {
                call.result.is_none() && matches!(call.state, CallState::Waiting | CallState::Running)
            };
            call.as_ref().filter(due).map(|call| call.call.tool_call_id.clone())
        });
        let Some(id) = id else { return Vec::new() };
        chat.transcript.with(|transcript| {
            transcript
                .actions()
                .iter()
                .filter(|action| action.tool_call_id == id)
                .cloned()
                .collect::<Vec<_>>()
        })
    });
    // Told once when it begins to wait; the tick of a countdown is told to nobody.
    Effect::new(move |last: Option<usize>| {
        let open = wanted.with(|wanted| wanted.iter().filter(|one| one.state == ActionState::Open).count());
        if open > last.unwrap_or(0) {
            chat.announcement.set("The turn waits for your decision.".to_owned());
        }
        open
    });
    view! {
        <For each=move || wanted.get() key=|action| (action.id, action.state.as_str()) let(action)>
            <ActionCard action chat />
        </For>
    }
}

#[component]
fn ActionCard(action: ChatAction, chat: OpenChat) -> impl IntoView {
    let chat_id = chat.transcript.with_untracked(Transcript::chat_id);
    let decided = Callback::new(move |action: ChatAction| {
        chat.transcript.try_update(|transcript| transcript.decided(action));
    });
    match action.kind {
        ActionKind::Approval => view! { <ApprovalCard chat_id action decided /> }.into_any(),
        ActionKind::ClientTool => view! { <ClientToolCard chat_id action /> }.into_any(),
        ActionKind::Elicitation => view! { <ElicitationCard chat_id action decided /> }.into_any(),
    }
}

/// The arguments as they will be sent, everything that cannot be seen written out.
#[component]
pub(super) fn ExactArguments(arguments: Value) -> impl IntoView {
    let empty = arguments.as_object().is_some_and(serde_json::Map::is_empty);
    let text = serde_json::to_string_pretty(&arguments).unwrap_or_default();
    let hidden = has_hidden(&arguments);
    view! {
        <div class="action-arguments">
            <span class="action-head">"Arguments, exactly as they will be sent"</span>
            {match empty {
                true => view! { <span class="chat-faint">"None"</span> }.into_any(),
                // `ltr`: a text from right to left must not turn the order of what is approved.
                false => view! { <pre class="action-code" dir="ltr" tabindex="0" data-testid="exact-arguments">{reveal(&text).into_owned()}</pre> }.into_any(),
            }}
            {hidden
                .then(|| {
                    view! {
                        <p class="action-warn" role="note">
                            "These arguments contain characters that cannot be seen. They are written out as ⟨U+…⟩."
                        </p>
                    }
                })}
        </div>
    }
}

/// Whether a text in it, or a name, holds something that cannot be seen. Line breaks are visible where JSON is shown.
fn has_hidden(value: &Value) -> bool {
    let hides = |text: &str| reveal(text) != text;
    match value {
        Value::String(text) => hides(text),
        Value::Array(items) => items.iter().any(has_hidden),
        Value::Object(members) => members.iter().any(|(name, value)| hides(name) || has_hidden(value)),
        _ => false,
    }
}

/// "4 min 58 s left"; the moment itself until the browser has taken over, so that both halves draw the same.
#[component]
pub(super) fn TimeLeft(until: Timestamp) -> impl IntoView {
    let now = RwSignal::new(None::<i64>);
    Effect::new(move |_| {
        now.set(Some(browser::now_millis()));
        let tick = move || {
            now.try_set(Some(browser::now_millis()));
        };
        if let Ok(handle) = set_interval_with_handle(tick, TICK) {
            on_cleanup(move || handle.clear());
        }
    });
    let clock = until.to_string();
    let fixed = format!("Expires at {} UTC", clock.get(11..19).unwrap_or_default());
    view! {
        <time class="action-time" datetime=clock data-testid="action-time">
            {move || now.get().map_or_else(|| fixed.clone(), |now| left(until.as_millis() - now))}
        </time>
    }
}

fn left(millis: i64) -> String {
    match millis.max(0) / 1000 {
        0 => "Time is over".to_owned(),
        seconds if seconds < 60 => format!("{seconds} s left"),
        seconds => format!("{} min {} s left", seconds / 60, seconds % 60),
    }
}

/// Why a decision was not taken.
#[component]
pub(super) fn Refused(refused: RwSignal<Option<UiError>>) -> impl IntoView {
    view! { <p class="chat-field-error" role="alert">{move || refused.get().map(|error| error.to_string())}</p> }
}

/// The id that ties the parts of a card together.
pub(super) fn part_id(action: Uuid, part: &str) -> String {
    format!("action-{action}-{part}")
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;
    use leptos::reactive::owner::Owner;
    use serde_json::json;

    pub(super) fn action(kind: &str, state: &str, arguments: &Value) -> ChatAction {
        serde_json::from_value(json!({
            "id": "01930000-0000-7000-8000-000000000001", "kind": kind, "state": state, "message_id": 2, "tool_call_id": "c",
            "tool_name": "linear__create_issue", "original_name": "create_issue", "server_name": "Linear", "arguments": arguments,
            "mcp_server_config_id": "01930000-0000-7000-8000-000000000002",
            "asked_at": "2026-11-27T10:00:00Z", "expires_at": "2026-11-27T10:05:00Z",
        }))
        .unwrap()
    }

    pub(super) fn drawn<V: IntoView>(draw: impl FnOnce() -> V) -> String {
        Owner::new().with(|| draw().into_view().to_html())
    }

    #[test]
    fn nothing_that_is_approved_can_hide() {
        let hostile =
            json!({"to": "a\u{202e}b", "t\u{e0041}g": "x\u{200b}", "c": "\u{1b}[2J", "html": "<script>"});
        let html = drawn(|| view! { <ExactArguments arguments=hostile /> });
        for shown in
            ["a⟨U+202E⟩b", "t⟨U+E0041⟩g", "x⟨U+200B⟩", "&lt;script&gt;", "characters that cannot be seen"]
        {
            assert!(html.contains(shown), "{shown} in {html}");
        }
        assert!(
            !html.contains('\u{202e}') && !html.contains('\u{1b}') && !html.contains('\u{e0041}'),
            "{html}"
        );
        let plain = drawn(|| view! { <ExactArguments arguments=json!({"to": "ä 日\nb"}) /> });
        assert!(!plain.contains("cannot be seen"), "{plain}");
        assert!(drawn(|| view! { <ExactArguments arguments=json!({}) /> }).contains("None"));
    }

    #[test]
    fn the_time_left_counts_down_to_an_end() {
        for (millis, text) in [
            (300_000, "5 min 0 s left"),
            (61_999, "1 min 1 s left"),
            (59_000, "59 s left"),
            (999, "Time is over"),
            (-5, "Time is over"),
        ] {
            assert_eq!(left(millis), text);
        }
    }
}
