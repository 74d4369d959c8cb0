//! A call of a tool that the client of the chat runs: shown waiting, and answered by hand where nobody else does.

use super::{ExactArguments, Refused, TimeLeft, part_id};
use crate::{components::BusyButton, error::UiError, server_fns::chats::tool_results_submit};
use api::{
    Uuid,
    actions::{ActionState, ChatAction, ClientToolResult, ToolResults},
};
use domain::text::reveal;
use leptos::{prelude::*, task::spawn_local};
use serde_json::Value;

/// The arguments, a field for the result, and the way to give none.
#[component]
pub(super) fn ClientToolCard(chat_id: Uuid, action: ChatAction) -> impl IntoView {
    let (id, state) = (action.id, action.state);
    let tool = reveal(&action.tool_name).into_owned();
    let call = StoredValue::new(action.tool_call_id.clone());
    let text = RwSignal::new(String::new());
    let failed = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let send = move |cancelled: bool| {
        busy.set(true);
        refused.set(None);
        let result = ClientToolResult {
            tool_call_id: call.get_value(),
            output: Value::String(if cancelled { String::new() } else { text.get_untracked() }),
            is_error: failed.get_untracked() && !cancelled,
            cancelled,
        };
        spawn_local(async move {
            if let Err(error) = tool_results_submit(chat_id, ToolResults { results: vec![result] }).await {
                refused.try_set(Some(error));
            }
            busy.try_set(false);
        });
    };
    let (head, by) = (part_id(id, "head"), part_id(id, "head"));
    let (field, its) = (part_id(id, "result"), part_id(id, "result"));
    view! {
        <section class="action-card" aria-labelledby=by data-testid="client-tool" data-state=state.as_str()>
            <h3 class="action-title" id=head>
                "Waits for the client that runs " <code class="chat-code">{tool}</code>
            </h3>
            <ExactArguments arguments=action.arguments />
            {match state {
                ActionState::Open => view! {
                    <form
                        class="action-form"
                        on:submit=move |event| {
                            event.prevent_default();
                            send(false);
                        }
                    >
                        <label class="action-head" for=its>"Result"</label>
                        <textarea
                            class="input"
                            id=field
                            rows="3"
                            dir="auto"
                            prop:value=move || text.get()
                            on:input=move |event| text.set(event_target_value(&event))
                        ></textarea>
                        <label class="action-check">
                            <input
                                type="checkbox"
                                prop:checked=move || failed.get()
                                on:change=move |event| failed.set(event_target_checked(&event))
                            />
                            "The tool failed"
                        </label>
                        <div class="action-buttons">
                            <BusyButton label="Give result" class="btn-primary btn-small" busy />
                            <BusyButton
                                label="Cancel call"
                                class="btn-small"
                                busy
                                on_press=Callback::new(move |()| send(true))
                            />
                            <TimeLeft until=action.expires_at />
                        </div>
                    </form>
                }
                .into_any(),
                ActionState::Answered => view! { <p class="action-decided" role="status">"Answered. The turn goes on when the other calls are decided."</p> }.into_any(),
                _ => view! { <p class="action-decided" role="status">"Cancelled."</p> }.into_any(),
            }}
            <Refused refused />
        </section>
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::super::tests::{action, drawn};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_of_the_client_shows_its_arguments_and_can_be_answered_or_cancelled() {
        let open = action("client_tool", "open", &json!({"path": "/tmp/a\u{202e}txt"}));
        let html = drawn(|| view! { <ClientToolCard chat_id=Uuid::nil() action=open /> });
        for part in ["/tmp/a⟨U+202E⟩txt", "Give result", "Cancel call", "<textarea"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let done = action("client_tool", "answered", &json!({}));
        let html = drawn(|| view! { <ClientToolCard chat_id=Uuid::nil() action=done /> });
        assert!(html.contains("Answered.") && !html.contains("<button"), "{html}");
    }
}
