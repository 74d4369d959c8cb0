//! What can be done with an open chat as a whole: another title, a summary, a cleared context.

use super::{popover::Popover, shared::list_changed, transcript::Transcript};
use crate::{
    components::{ConfirmDialog, Glyph, Icon, Task, toast::use_toasts},
    server_fns::chats::{chat_clear, chat_compact, title_regenerate},
};
use api::Uuid;
use leptos::{prelude::*, task::spawn_local};

/// The menu beside the title.
#[component]
pub(super) fn TitleMenu(
    id: Uuid,
    title: Memo<String>,
    transcript: RwSignal<Transcript>,
    busy: Signal<bool>,
    archived: Memo<bool>,
    /// Only its chat decides on the context of a subagent.
    subagent: bool,
) -> impl IntoView {
    let toasts = use_toasts();
    let open = RwSignal::new(false);
    let (compacting, clearing) = (RwSignal::new(false), RwSignal::new(false));
    let (compact, clear) = (Task::new(), Task::new());
    let naming = RwSignal::new(false);
    let closed = Signal::derive(move || busy.get() || archived.get());
    let regenerate = move || {
        open.set(false);
        if naming.get_untracked() {
            return;
        }
        naming.set(true);
        spawn_local(async move {
            match title_regenerate(id).await {
                Ok(chat) => {
                    transcript.try_update(|transcript| transcript.set_title(chat.title));
                    list_changed();
                }
                Err(refused) => toasts.warn(refused.to_string()),
            }
            naming.try_set(false);
        });
    };
    let on_compact = Callback::new(move |()| {
        compact.run(chat_compact(id), move |chat| {
            transcript.try_update(|transcript| transcript.set_status(chat.status));
            compacting.try_set(false);
        });
    });
    let on_clear = Callback::new(move |()| {
        clear.run(chat_clear(id), move |_| {
            clearing.try_set(false);
        });
    });
    view! {
        <Popover
            open
            label="Options for this chat"
            button_class="btn btn-quiet btn-icon"
            panel_class="chat-panel chat-menu"
            trigger=view! { <Icon glyph=Glyph::Dots /> }.into_any()
        >
            <button type="button" class="chat-menu-item" disabled=move || naming.get() on:click=move |_| regenerate()>
                <Icon glyph=Glyph::Pencil />
                "Regenerate title"
            </button>
            {(!subagent)
                .then(|| {
                    view! {
                        <button
                            type="button"
                            class="chat-menu-item"
                            disabled=move || closed.get()
                            on:click=move |_| {
                                open.set(false);
                                compact.error.set(None);
                                compacting.set(true);
                            }
                        >
                            <Icon glyph=Glyph::Archive />
                            "Compact"
                        </button>
                        <button
                            type="button"
                            class="chat-menu-item chat-menu-danger"
                            disabled=move || closed.get()
                            on:click=move |_| {
                                open.set(false);
                                clear.error.set(None);
                                clearing.set(true);
                            }
                        >
                            <Icon glyph=Glyph::Trash />
                            "Clear context"
                        </button>
                    }
                })}
        </Popover>
        <span class="sr-only" role="status">{move || naming.get().then_some("A title is being made")}</span>
        <ConfirmDialog
            open=compacting
            title="Summarise this chat?"
            confirm_label="Compact"
            busy=compact.busy
            error=compact.error
            on_confirm=on_compact
        >
            <p>
                "The model writes a summary of "
                <bdi class="chat-strong">{move || title.get()}</bdi>
                " and is told only that from here on. The messages stay for you to read; details that are not in the summary are lost to the model."
            </p>
        </ConfirmDialog>
        <ConfirmDialog
            open=clearing
            title="Clear the context?"
            confirm_label="Clear context"
            busy=clear.busy
            error=clear.error
            on_confirm=on_clear
        >
            <p>
                "The model is told nothing of what is in "
                <bdi class="chat-strong">{move || title.get()}</bdi>
                " so far. The messages stay for you to read."
            </p>
        </ConfirmDialog>
    }
}
