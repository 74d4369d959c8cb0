//! The workspace of a chat: which of the person's own servers it uses.

use crate::{
    error::UiError,
    server_fns::{chats::chat_update, workspaces::workspace_list},
};
use api::{Uuid, chats::ChatUpdate};
use leptos::{prelude::*, task::spawn_local};

/// What is chosen, for a chat that is there or for the one that is about to be made.
#[derive(Clone, Copy)]
pub(super) struct WorkspaceChoice {
    pub(super) chosen: RwSignal<Option<Uuid>>,
    /// `None`: it goes along with the first message.
    chat: Option<Uuid>,
    refused: RwSignal<Option<UiError>>,
}

impl WorkspaceChoice {
    pub(super) fn new(chat: Option<Uuid>, chosen: Option<Uuid>) -> Self {
        Self { chosen: RwSignal::new(chosen), chat, refused: RwSignal::new(None) }
    }

    /// Acts at once in a chat that is there: its next step uses other servers.
    fn choose(self, wanted: Option<Uuid>) {
        let before = self.chosen.get_untracked();
        self.chosen.set(wanted);
        self.refused.set(None);
        let Some(chat) = self.chat else { return };
        spawn_local(async move {
            let update = ChatUpdate { workspace_id: Some(wanted), ..ChatUpdate::default() };
            if let Err(error) = chat_update(chat, update).await {
                self.chosen.try_set(before);
                self.refused.try_set(Some(error));
            }
        });
    }
}

/// A choice of the person's workspaces; nothing for somebody who has none.
#[component]
pub(super) fn WorkspaceSelect(choice: WorkspaceChoice) -> impl IntoView {
    let workspaces = Resource::new(|| (), |()| workspace_list());
    view! {
        <Transition>
            {move || Suspend::new(async move {
                // Without the list the chat goes on as it is; the page of workspaces says what is wrong.
                let workspaces = workspaces.await.unwrap_or_default();
                if workspaces.is_empty() {
                    return ().into_any();
                }
                let options = workspaces
                    .into_iter()
                    .map(|workspace| {
                        let id = workspace.id;
                        view! {
                            <option value=id.to_string() selected=move || choice.chosen.get() == Some(id)>
                                {workspace.name}
                            </option>
                        }
                    })
                    .collect_view();
                view! {
                    <select
                        class="chat-tool-button chat-model"
                        aria-label="Workspace"
                        title="Workspace: the chat uses its servers"
                        on:change=move |event| choice.choose(event_target_value(&event).parse().ok())
                    >
                        <option value="" selected=move || choice.chosen.get().is_none()>"No workspace"</option>
                        {options}
                    </select>
                }
                .into_any()
            })}
        </Transition>
        <span class="chat-field-error" role="alert">{move || choice.refused.get().map(|error| error.to_string())}</span>
    }
}
