//! Chats for the browser: one server function per use case, and two that gather what a page needs in one answer.
//!
//! JSON in a POST body: a form of another site cannot send it. Who may do what is decided by the use cases behind `Backend`.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::{UiResult, backend};
use crate::error::UiError;
use api::{
    Timestamp, Uuid,
    actions::{ChatAction, Decision, ElicitationAnswer, ToolResults},
    chats::{
        Chat, ChatCreate, ChatCreated, ChatUpdate, MessageCreate, MessageEdit, MessagePage, MessageSent,
    },
    models::Model,
    search::SearchPage,
    servers::McpServer,
};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// Messages loaded at once.
pub const PAGE_MESSAGES: i64 = 60;

/// What a chat can be asked with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatOptions {
    /// Enabled servers open to the viewer, by name.
    pub servers: Vec<McpServer>,
    /// Enabled models.
    pub models: Vec<Model>,
}

/// A chat page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatOpened {
    pub chat: Chat,
    /// Of a subagent: the chat that it works for.
    #[serde(default)]
    pub parent: Option<Chat>,
    pub page: MessagePage,
    pub options: ChatOptions,
}

/// The chat list and the moment it was made, for its day headings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatListing {
    pub chats: Vec<Chat>,
    pub now: Timestamp,
}

#[cfg(feature = "ssr")]
async fn options() -> UiResult<ChatOptions> {
    let backend = backend()?;
    let mut servers = backend.server_list().await?;
    servers.retain(|server| server.enabled);
    let mut models = backend.model_list().await?;
    models.retain(|model| model.enabled);
    Ok(ChatOptions { servers, models })
}

#[cfg(feature = "ssr")]
async fn open(id: Uuid) -> UiResult<ChatOpened> {
    let backend = backend()?;
    let chat = backend.chat_get(id).await?;
    let page = backend.message_page(id, None, PAGE_MESSAGES).await?;
    let parent = match chat.parent_chat_id {
        Some(parent) => Some(backend.chat_get(parent).await?),
        None => None,
    };
    Ok(ChatOpened { chat, parent, page, options: options().await? })
}

/// What a new chat can be asked with.
#[server(name = ChatOptionsCall, prefix = "/ui/fn", endpoint = "chat_options", input = Json)]
pub async fn chat_options() -> Result<ChatOptions, UiError> {
    answer(options().await)
}

/// A chat with its newest messages.
#[server(name = ChatOpenCall, prefix = "/ui/fn", endpoint = "chat_open", input = Json)]
pub async fn chat_open(id: Uuid) -> Result<ChatOpened, UiError> {
    answer(open(id).await)
}

/// The viewer's chats, pinned ones first; those put away, or the others.
#[server(name = ChatListCall, prefix = "/ui/fn", endpoint = "chat_list", input = Json)]
pub async fn chat_list(archived: bool) -> Result<ChatListing, UiError> {
    let clock = use_context::<std::sync::Arc<dyn domain::clock::Clock>>();
    let chats = answer(backend()?.chat_list(archived).await)?;
    // Without a clock the newest chat is taken as today's: only headings depend on it, and the browser corrects them.
    let now =
        clock.map(|clock| clock.now()).or(chats.first().map(|chat| chat.updated_at)).unwrap_or_default();
    Ok(ChatListing { chats, now })
}

/// Searches titles and messages of the viewer's chats; the page behind the hit `after`.
#[server(name = ChatsSearchCall, prefix = "/ui/fn", endpoint = "chats_search", input = Json)]
pub async fn chats_search(text: String, after: Option<i64>) -> Result<SearchPage, UiError> {
    answer(backend()?.chats_search(text, after).await)
}

/// Begins a chat with its first message.
#[server(name = ChatCreateCall, prefix = "/ui/fn", endpoint = "chat_create", input = Json)]
pub async fn chat_create(create: ChatCreate) -> Result<ChatCreated, UiError> {
    answer(backend()?.chat_create(create).await)
}

/// Changes a chat's title, labels or place in the list; puts it away or takes it back.
#[server(name = ChatUpdateCall, prefix = "/ui/fn", endpoint = "chat_update", input = Json)]
pub async fn chat_update(id: Uuid, update: ChatUpdate) -> Result<Chat, UiError> {
    answer(backend()?.chat_update(id, update).await)
}

/// Deletes a chat for good.
#[server(name = ChatDeleteCall, prefix = "/ui/fn", endpoint = "chat_delete", input = Json)]
pub async fn chat_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.chat_delete(id).await)
}

/// The page of messages before `before_id`.
#[server(name = MessagePageCall, prefix = "/ui/fn", endpoint = "message_page", input = Json)]
pub async fn message_page(id: Uuid, before_id: i64) -> Result<MessagePage, UiError> {
    answer(backend()?.message_page(id, Some(before_id), PAGE_MESSAGES).await)
}

/// Sends a message.
#[server(name = MessageSendCall, prefix = "/ui/fn", endpoint = "message_send", input = Json)]
pub async fn message_send(id: Uuid, create: MessageCreate) -> Result<MessageSent, UiError> {
    answer(backend()?.message_send(id, create).await)
}

/// Runs a user message again, changed or not; later messages give way.
#[server(name = MessageEditCall, prefix = "/ui/fn", endpoint = "message_edit", input = Json)]
pub async fn message_edit(id: Uuid, message_id: i64, edit: MessageEdit) -> Result<MessageSent, UiError> {
    answer(backend()?.message_edit(id, message_id, edit).await)
}

/// Stops the running turn.
#[server(name = ChatInterruptCall, prefix = "/ui/fn", endpoint = "chat_interrupt", input = Json)]
pub async fn chat_interrupt(id: Uuid) -> Result<Chat, UiError> {
    answer(backend()?.chat_interrupt(id).await)
}

/// Lets a call that waits go out, once, or denies it.
#[server(name = ApprovalDecideCall, prefix = "/ui/fn", endpoint = "approval_decide", input = Json)]
pub async fn approval_decide(id: Uuid, approval: Uuid, decision: Decision) -> Result<ChatAction, UiError> {
    answer(backend()?.approval_decide(id, approval, decision).await)
}

/// Answers a question that a server asks during a call.
#[server(name = ElicitationAnswerCall, prefix = "/ui/fn", endpoint = "elicitation_answer", input = Json)]
pub async fn elicitation_answer(
    id: Uuid,
    elicitation: Uuid,
    reply: ElicitationAnswer,
) -> Result<ChatAction, UiError> {
    answer(backend()?.elicitation_answer(id, elicitation, reply).await)
}

/// Gives the result of a tool that the client of the chat runs.
#[server(name = ToolResultsCall, prefix = "/ui/fn", endpoint = "tool_results_submit", input = Json)]
pub async fn tool_results_submit(id: Uuid, results: ToolResults) -> Result<Chat, UiError> {
    answer(backend()?.tool_results_submit(id, results).await)
}

/// Has the chat summarised.
#[server(name = ChatCompactCall, prefix = "/ui/fn", endpoint = "chat_compact", input = Json)]
pub async fn chat_compact(id: Uuid) -> Result<Chat, UiError> {
    answer(backend()?.chat_compact(id).await)
}

/// Sends nothing of what is before to the model any more.
#[server(name = ChatClearCall, prefix = "/ui/fn", endpoint = "chat_clear", input = Json)]
pub async fn chat_clear(id: Uuid) -> Result<Chat, UiError> {
    answer(backend()?.chat_clear(id).await)
}

/// Has a model make another title.
#[server(name = TitleRegenerateCall, prefix = "/ui/fn", endpoint = "title_regenerate", input = Json)]
pub async fn title_regenerate(id: Uuid) -> Result<Chat, UiError> {
    answer(backend()?.title_regenerate(id).await)
}

/// Takes a waiting message back.
#[server(name = QueueRemoveCall, prefix = "/ui/fn", endpoint = "queue_remove", input = Json)]
pub async fn queue_remove(id: Uuid, queued: i64) -> Result<(), UiError> {
    answer(backend()?.queue_remove(id, queued).await)
}

/// Makes a waiting message the next one.
#[server(name = QueuePromoteCall, prefix = "/ui/fn", endpoint = "queue_promote", input = Json)]
pub async fn queue_promote(id: Uuid, queued: i64) -> Result<Chat, UiError> {
    answer(backend()?.queue_promote(id, queued).await)
}
