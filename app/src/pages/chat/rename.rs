//! A title that becomes a field.

use crate::server_fns::chats::chat_update;
use api::{Uuid, chats::ChatUpdate};
use leptos::{ev::KeyboardEvent, html, prelude::*, task::spawn_local};

/// The field: Enter or leaving it saves, Escape gives up. `on_saved` gets the title as the server took it.
#[component]
pub(super) fn RenameField(
    id: Uuid,
    #[prop(into)] title: String,
    editing: RwSignal<bool>,
    #[prop(into)] on_saved: Callback<String>,
) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let text = RwSignal::new(title.clone());
    let error = RwSignal::new(None::<String>);
    let saving = StoredValue::new(false);
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            let _ = input.focus();
            input.select();
        }
    });
    let save = {
        let title = title.clone();
        move || {
            // Taking the field away blurs it, and then its own signals are gone already.
            let Some(wanted) = text.try_get_untracked().map(|text| text.trim().to_owned()) else { return };
            if !editing.get_untracked() || saving.get_value() {
                return;
            }
            if wanted.is_empty() || wanted == title {
                editing.set(false);
                return;
            }
            saving.set_value(true);
            spawn_local(async move {
                let update = ChatUpdate { title: Some(wanted), ..ChatUpdate::default() };
                match chat_update(id, update).await {
                    Ok(chat) => {
                        editing.try_set(false);
                        on_saved.try_run(chat.title);
                    }
                    Err(refused) => {
                        let words = refused.field("title").unwrap_or(refused.body.message);
                        error.try_set(Some(words));
                    }
                }
                saving.try_set_value(false);
            });
        }
    };
    let save_on_blur = save.clone();
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.is_composing() => {
            event.prevent_default();
            save();
        }
        "Escape" => {
            event.stop_propagation();
            editing.set(false);
        }
        _ => {}
    };
    view! {
        <span class="chat-rename">
            <input
                node_ref=input
                class="input chat-rename-input"
                type="text"
                dir="auto"
                aria-label="Chat title"
                aria-invalid=move || error.get().map(|_| "true")
                value=title.clone()
                on:input=move |event| text.set(event_target_value(&event))
                on:keydown=on_key
                on:blur=move |_| save_on_blur()
            />
            <span class="chat-field-error" role="alert">{move || error.get()}</span>
        </span>
    }
}
