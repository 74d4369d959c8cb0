//! What the person said; it can be changed, and the chat runs again from there.

use super::{
    shared::OpenChat,
    transcript::{
        Transcript,
        blocks::{Block, BlockKey},
    },
};
use crate::{
    components::{Glyph, Icon},
    error::UiError,
    server_fns::chats::message_edit,
};
use api::chats::{InputPart, MessageEdit};
use leptos::{ev::KeyboardEvent, html, prelude::*, task::spawn_local};

/// The words, and a pencil that turns them into a field.
#[component]
pub(super) fn UserMessage(key: BlockKey, block: Memo<Option<Block>>, chat: OpenChat) -> impl IntoView {
    let text = Memo::new(move |_| {
        block.with(|block| match block {
            Some(Block::User { text, .. }) => text.text.clone(),
            _ => String::new(),
        })
    });
    let editing = RwSignal::new(false);
    let archived = Memo::new(move |_| chat.subagent || chat.transcript.with(Transcript::archived));
    view! {
        <div class="chat-user" data-testid="user-message">
            <h2 class="sr-only">"You"</h2>
            <Show
                when=move || editing.get()
                fallback=move || {
                    view! {
                        <button
                            type="button"
                            class="btn btn-quiet btn-icon chat-user-edit"
                            aria-label="Edit message"
                            title="Edit message"
                            hidden=move || archived.get()
                            on:click=move |_| editing.set(true)
                        >
                            <Icon glyph=Glyph::Pencil />
                        </button>
                        <p class="chat-user-text" dir="auto" hidden=move || text.with(String::is_empty)>
                            {move || text.get()}
                        </p>
                    }
                }
            >
                <EditField message_id=key.turn text=text.get_untracked() editing chat />
            </Show>
        </div>
    }
}

#[component]
fn EditField(message_id: i64, text: String, editing: RwSignal<bool>, chat: OpenChat) -> impl IntoView {
    let transcript = chat.transcript;
    let field = NodeRef::<html::Textarea>::new();
    let draft = RwSignal::new(text.clone());
    let sending = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let waiting = Memo::new(move |_| transcript.with(|transcript| transcript.queue().len()));
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            let _ = field.focus();
        }
    });
    let send = move || {
        let words = draft.with_untracked(|draft| draft.trim().to_owned());
        // What was attached stays attached.
        let files = transcript.with_untracked(|transcript| transcript.files_of(message_id));
        if (words.is_empty() && files.is_empty()) || sending.get_untracked() {
            return;
        }
        sending.set(true);
        refused.set(None);
        let id = transcript.with_untracked(Transcript::chat_id);
        spawn_local(async move {
            let edit = MessageEdit {
                content: Some(
                    (!words.is_empty())
                        .then_some(InputPart::Text { text: words })
                        .into_iter()
                        .chain(files.into_iter().map(|file_id| InputPart::File { file_id }))
                        .collect(),
                ),
                mcp_server_ids: chat.servers.outgoing(),
                plan_mode: Some(chat.servers.plan_mode()),
                model_config_id: chat.model.get_untracked(),
            };
            match message_edit(id, message_id, edit).await {
                Ok(sent) => {
                    editing.try_set(false);
                    if let Some(message) = sent.message {
                        transcript
                            .try_update(|transcript| transcript.rerun(message_id, message, sent.status));
                    }
                }
                Err(error) => {
                    refused.try_set(Some(error));
                }
            }
            sending.try_set(false);
        });
    };
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "Escape" => {
            // Not the page's: it would stop the turn.
            event.prevent_default();
            event.stop_propagation();
            editing.set(false);
        }
        _ => {}
    };
    view! {
        <form
            class="chat-user-form"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <textarea
                node_ref=field
                class="input chat-user-field"
                rows="3"
                dir="auto"
                aria-label="Message to edit"
                readonly=move || sending.get()
                on:input=move |event| draft.set(event_target_value(&event))
                on:keydown=on_key
            >
                {text}
            </textarea>
            <p class="chat-faint">{move || warning(waiting.get())}</p>
            <p class="chat-field-error" role="alert">
                {move || refused.get().map(|error| error.field("content").unwrap_or_else(|| error.to_string()))}
            </p>
            <div class="ask-buttons">
                <button type="submit" class="btn btn-small btn-primary" disabled=move || sending.get()>"Send again"</button>
                <button type="button" class="btn btn-small" on:click=move |_| editing.set(false)>"Cancel"</button>
            </div>
        </form>
    }
}

/// What is lost by it.
fn warning(waiting: usize) -> &'static str {
    match waiting {
        0 => "Everything after this message gives way. What tools have done stays done.",
        _ => "Everything after this message and what waits gives way. What tools have done stays done.",
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_gives_way() {
        assert!(!warning(0).contains("waits") && warning(2).contains("and what waits"));
    }
}
