//! The start: a composer, and the chat begins with the first message.

use super::{
    composer::{Composer, Draft},
    picker::Selection,
    shared::{keep_fresh, list_changed},
    workspace::WorkspaceChoice,
};
use crate::{
    components::{PageTitle, loaded::loaded},
    context::viewer_is_admin,
    server_fns::chats::{ChatOpened, ChatOptions, chat_create, chat_options},
};
use api::{
    chats::{ChatCreate, PlanMode},
    messages::ChatMessage,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_navigate;

/// Page `/`.
#[component]
pub fn ChatHome() -> impl IntoView {
    let options = Resource::new(|| (), |()| chat_options());
    view! {
        <PageTitle text="New chat" />
        <div class="chat-home">{loaded(options, true, |options| view! { <Start options /> })}</div>
    }
}

#[component]
fn Start(options: ChatOptions) -> impl IntoView {
    let draft = Draft::new(Selection::for_new_chat(&options.servers), WorkspaceChoice::new(None, None));
    let navigate = use_navigate();
    let kept_models = StoredValue::new(options.models.clone());
    let send = move |()| {
        let Some(content) = draft.message() else { return };
        draft.sending.set(true);
        draft.error.set(None);
        let navigate = navigate.clone();
        spawn_local(async move {
            let create = ChatCreate {
                content,
                model_config_id: draft.model.get_untracked(),
                mcp_server_ids: draft.servers.outgoing(),
                workspace_id: draft.workspace.chosen.get_untracked(),
                client_type: Some("ui".to_owned()),
                plan_mode: draft.servers.planning().get_untracked().then_some(PlanMode::Plan),
                ..ChatCreate::default()
            };
            match chat_create(create).await {
                Ok(created) => {
                    let id = created.chat.id;
                    if let Some(models) = kept_models.try_get_value() {
                        draft.servers.hear_required(&created.auth_required);
                        let options = ChatOptions { servers: draft.servers.on_offer(), models };
                        keep_fresh(opened(created.chat, created.messages, options));
                    }
                    list_changed();
                    navigate(&format!("/chats/{id}"), Default::default());
                }
                Err(refused) => {
                    draft.error.try_set(Some(refused));
                    draft.sending.try_set(false);
                }
            }
        });
    };
    let has_servers = !options.servers.is_empty();
    let may_administer = viewer_is_admin();
    view! {
        <div class="chat-home-head">
            <h1 class="chat-home-title">"What do you want to get done?"</h1>
            <p class="chat-home-text">
                {if has_servers {
                    "The model may use the tools of the servers switched on below, and shows what each call is for."
                } else if may_administer {
                    "No server is on offer yet, so the model answers without tools."
                } else {
                    "No server is on offer yet, so the model answers without tools. An admin can add one."
                }}
                {(!has_servers && may_administer)
                    .then(|| view! { " " <a class="chat-link" href="/admin/servers/new">"Add a server"</a> })}
            </p>
        </div>
        <Composer
            draft
            options
            busy=false
            stopping=false
            on_plan=move |on: bool| draft.servers.planning().set(on)
            on_send=send
            on_stop=|()| ()
        />
    }
}

fn opened(chat: api::chats::Chat, messages: Vec<ChatMessage>, options: ChatOptions) -> ChatOpened {
    let page = api::chats::MessagePage {
        messages,
        queued_messages: Vec::new(),
        actions: Vec::new(),
        has_more: false,
    };
    ChatOpened { chat, parent: None, page, options }
}
