//! Plan mode (behaviour 22): the switch at the composer, the badge in the head, and the plan as a card that the person can start on.

use super::{
    blocks::Markup,
    shared::OpenChat,
    transcript::{
        Transcript,
        blocks::{Block, BlockKey},
    },
};
use crate::{
    components::{Glyph, Icon},
    error::UiError,
    server_fns::chats::{chat_update, message_send},
};
use api::{
    Uuid,
    chats::{ChatStatus, ChatUpdate, InputPart, MessageCreate, PlanMode},
    messages::ResultContent,
};
use leptos::{prelude::*, task::spawn_local};

/// What "Start on it" sends.
const START: &str = "Start on the plan.";

/// Switches plan mode for the next turn.
#[component]
pub(super) fn PlanSwitch(planning: RwSignal<bool>, on_change: Callback<bool>) -> impl IntoView {
    view! {
        <button
            type="button"
            role="switch"
            class="chat-tool-button chat-plan-switch"
            aria-label="Plan mode"
            title="Plan mode: work out a plan first, change nothing outside"
            aria-checked=move || planning.get().to_string()
            data-testid="plan-switch"
            on:click=move |_| on_change.run(!planning.get_untracked())
        >
            <Icon glyph=Glyph::Moon />
            <span class="chat-tool-word">"Plan"</span>
        </button>
    }
}

/// In the head of a chat that plans.
#[component]
pub(super) fn PlanBadge() -> impl IntoView {
    view! {
        <span class="chat-plan-badge" data-testid="plan-badge">
            <Icon glyph=Glyph::Moon />
            "Plan mode"
        </span>
    }
}

/// Switches the mode of a chat that exists, at once: it counts for whoever sends the next message.
pub(super) fn switch_plan(id: Uuid, chat: OpenChat, refused: RwSignal<Option<UiError>>) -> Callback<bool> {
    let under_way = StoredValue::new(false);
    Callback::new(move |on: bool| {
        if under_way.get_value() {
            return;
        }
        under_way.set_value(true);
        refused.set(None);
        let mode = if on { PlanMode::Plan } else { PlanMode::Off };
        let before = chat.transcript.with_untracked(Transcript::plan_mode);
        // At once: a message that is sent before the answer is there carries the mode as shown.
        chat.transcript.update(|transcript| transcript.set_plan_mode(mode));
        spawn_local(async move {
            let update = ChatUpdate { plan_mode: Some(mode), ..ChatUpdate::default() };
            match chat_update(id, update).await {
                Ok(record) => {
                    chat.transcript.try_update(|transcript| transcript.set_plan_mode(record.plan_mode));
                }
                Err(error) => {
                    chat.transcript.try_update(|transcript| transcript.set_plan_mode(before));
                    refused.try_set(Some(error));
                }
            }
            under_way.try_set_value(false);
        });
    })
}

/// Whether the person can answer what stands in this turn: it is the newest, and nothing runs or waits. Tracks.
pub(super) fn is_open(chat: OpenChat, key: BlockKey) -> bool {
    chat.transcript.with(|transcript| {
        transcript.last_user_message_id().is_none_or(|last| last == key.turn)
            && transcript.status() == ChatStatus::Waiting
            && !transcript.archived()
    })
}

/// Sends a message from within the transcript; true in `sending` meanwhile.
pub(super) fn send_from(
    chat: OpenChat,
    text: String,
    plan_mode: PlanMode,
    sending: RwSignal<bool>,
    refused: RwSignal<Option<UiError>>,
) {
    if sending.get_untracked() {
        return;
    }
    sending.set(true);
    refused.set(None);
    let id = chat.transcript.with_untracked(Transcript::chat_id);
    spawn_local(async move {
        let create = MessageCreate {
            content: vec![InputPart::Text { text }],
            model_config_id: chat.model.get_untracked(),
            mcp_server_ids: chat.servers.outgoing(),
            plan_mode: Some(plan_mode),
            ..MessageCreate::default()
        };
        match message_send(id, create).await {
            Ok(sent) => {
                chat.servers.hear_required(&sent.auth_required);
                chat.transcript.try_update(|transcript| {
                    if !sent.queued {
                        transcript.set_plan_mode(plan_mode);
                    }
                    if let Some(message) = sent.message {
                        transcript.sent(message, sent.status);
                    }
                });
            }
            Err(error) => {
                refused.try_set(Some(error));
            }
        }
        sending.try_set(false);
    });
}

/// The plan, and while it is the last word the way on.
#[component]
pub(super) fn PlanCard(key: BlockKey, block: Memo<Option<Block>>, chat: OpenChat) -> impl IntoView {
    let sending = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let open = Memo::new(move |_| is_open(chat, key));
    let plan = Memo::new(move |_| {
        block.with(|block| {
            let Some(Block::Plan(call)) = block else { return None };
            let result = call.result.as_ref()?;
            let text = result.result.iter().find_map(|content| match content {
                ResultContent::Text { text } => Some(text.clone()),
                _ => None,
            });
            Some((result.html.clone(), text.unwrap_or_default()))
        })
    });
    view! {
        <section class="chat-plan" aria-label="Plan" data-testid="plan-card">
            <h3 class="chat-plan-title"><Icon glyph=Glyph::Moon />"Plan"</h3>
            {move || plan.get().map(|(html, text)| view! { <Markup html text /> })}
            <Show when=move || open.get()>
                <div class="chat-plan-foot">
                    <button
                        type="button"
                        class="btn btn-primary"
                        disabled=move || sending.get()
                        on:click=move |_| send_from(chat, START.to_owned(), PlanMode::Off, sending, refused)
                    >
                        "Start on it"
                    </button>
                    <p class="chat-faint">"Leaves plan mode. To change the plan, say below what should be different."</p>
                </div>
            </Show>
            <p class="chat-field-error" role="alert">{move || refused.get().map(|error| error.to_string())}</p>
        </section>
    }
}
