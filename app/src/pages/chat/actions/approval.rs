//! A call that waits for the owner's yes or no.

use super::{ExactArguments, Refused, TimeLeft, part_id};
use crate::{components::BusyButton, error::UiError, server_fns::chats::approval_decide};
use api::{
    Uuid,
    actions::{ActionState, ChatAction, Decision},
};
use domain::text::reveal;
use leptos::{prelude::*, task::spawn_local};

/// The true names, the exact arguments, Approve and Deny; after the decision what was decided, while other calls are still open.
#[component]
pub(super) fn ApprovalCard(
    chat_id: Uuid,
    action: ChatAction,
    decided: Callback<ChatAction>,
) -> impl IntoView {
    let (id, state) = (action.id, action.state);
    let tool = reveal(action.original_name.as_deref().unwrap_or(&action.tool_name)).into_owned();
    let server = reveal(&action.server_name).into_owned();
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let decide = move |decision: Decision| {
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            match approval_decide(chat_id, id, decision).await {
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
    let named = format!("{tool} on {server}");
    let (head, by) = (part_id(id, "head"), part_id(id, "head"));
    view! {
        <section class="action-card" aria-labelledby=by data-testid="approval" data-state=state.as_str()>
            <h3 class="action-title" id=head>
                "Wants to run " <code class="chat-code">{tool}</code> " on " <bdi>{server}</bdi>
            </h3>
            <ExactArguments arguments=action.arguments />
            {match state {
                ActionState::Open => view! {
                    <div class="action-buttons">
                        <BusyButton
                            label="Approve"
                            spoken=format!("Approve {named}")
                            class="btn-primary btn-small"
                            busy
                            on_press=Callback::new(move |()| decide(Decision::Approve))
                        />
                        <BusyButton
                            label="Deny"
                            spoken=format!("Deny {named}")
                            class="btn-small"
                            busy
                            on_press=Callback::new(move |()| decide(Decision::Deny))
                        />
                        <TimeLeft until=action.expires_at />
                    </div>
                    <p class="chat-faint">"Holds for this one call. Undecided, it counts as denied."</p>
                }
                .into_any(),
                other => view! { <p class="action-decided" role="status">{decided_words(other)}</p> }.into_any(),
            }}
            <Refused refused />
        </section>
    }
}

fn decided_words(state: ActionState) -> &'static str {
    match state {
        ActionState::Approved => "Approved. It goes out when the other calls are decided.",
        ActionState::Denied => "Denied. It will not be sent.",
        ActionState::Expired => "Not decided in time, so it counts as denied.",
        ActionState::Used => "Approved and sent.",
        ActionState::Open | ActionState::Answered | ActionState::Cancelled => "No longer asked.",
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::super::tests::{action, drawn};
    use super::*;
    use serde_json::json;

    fn card(state: &str) -> String {
        let action = action("approval", state, &json!({"title": "Broken\u{200b} build"}));
        drawn(|| view! { <ApprovalCard chat_id=Uuid::nil() action decided=Callback::new(|_| ()) /> })
    }

    #[test]
    fn an_open_approval_names_tool_server_and_arguments_and_has_both_buttons() {
        let html = card("open");
        for part in [
            "create_issue",
            "Linear",
            "Broken⟨U+200B⟩ build",
            "Approve create_issue on Linear",
            "Deny create_issue on Linear",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(html.contains("Expires at 10:05:00 UTC"), "{html}");
    }

    #[test]
    fn a_decided_one_says_how_and_has_no_buttons() {
        for (state, words) in
            [("approved", "Approved."), ("denied", "Denied."), ("expired", "Not decided in time")]
        {
            let html = card(state);
            assert!(html.contains(words) && !html.contains("<button"), "{html}");
        }
    }
}
