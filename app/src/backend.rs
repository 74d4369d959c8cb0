//! The one way from the UI to the server: an object-safe trait, taken from context, implemented in `server` on the use cases
//! that REST calls too. So pages never see a database, and an edit of a query never recompiles the views.
//!
//! One instance is bound to one request's caller; permissions are checked inside the use cases, never here.

use crate::error::UiError;
use api::{
    Page, PageQuery, Uuid,
    actions::{ChatAction, Decision, ElicitationAnswer, ToolResults},
    audit::{AuditPage, AuditQuery},
    chat_settings::{ChatSettingValues, OwnChatSettings},
    chats::{
        Chat, ChatCreate, ChatCreated, ChatUpdate, MessageCreate, MessageEdit, MessagePage, MessageSent,
    },
    check::CheckReport,
    explain::ServerExplanation,
    fleet::{Fleet, FleetQuery},
    groups::{Group, GroupCreate, GroupSummary, GroupUpdate},
    keys::KeyStatus,
    models::{Model, ModelCreate, ModelUpdate, Provider, ProviderCreate, ProviderUpdate},
    oauth::{DiscoverRequest, Discovery},
    search::SearchPage,
    servers::{McpServer, ServerConnection, ServerWrite, UserHeaderValues},
    settings::{EgressAllow, EgressAllowWrite},
    tools::{ServerTool, ToolAccept, ToolTried, ToolTry},
    transfer::{ImportPlan, ImportRequest},
    users::{
        BuildInfo, PasswordChange, Session, Token, TokenCreate, TokenCreated, User, UserCreate, UserUpdate,
    },
    workspaces::{Workspace, WorkspaceCreate, WorkspaceServers, WorkspaceUpdate},
};
use async_trait::async_trait;
use leptos::prelude::use_context;
use std::sync::Arc;

/// Result of every call to the server side.
pub type UiResult<T> = Result<T, UiError>;

#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Who is signed in; `None` for anonymous.
    async fn viewer(&self) -> UiResult<Option<User>>;
    /// False while no user exists, i.e. while set-up is open.
    async fn has_users(&self) -> UiResult<bool>;
    async fn build_info(&self) -> UiResult<BuildInfo>;

    /// Every server the viewer may see, to choose from.
    async fn server_list(&self) -> UiResult<Vec<McpServer>>;
    /// A page of them; `enabled` keeps one kind.
    async fn server_page(&self, query: PageQuery, enabled: Option<bool>) -> UiResult<Page<McpServer>>;
    async fn server_get(&self, id: Uuid) -> UiResult<McpServer>;
    async fn server_create(&self, write: ServerWrite) -> UiResult<McpServer>;
    /// `if_match`: the ETag the form was loaded with; a stale one is refused.
    async fn server_update(
        &self,
        id: Uuid,
        write: ServerWrite,
        if_match: Option<String>,
    ) -> UiResult<McpServer>;
    async fn server_delete(&self, id: Uuid, if_match: Option<String>) -> UiResult<()>;
    async fn server_check(&self, id: Uuid) -> UiResult<CheckReport>;
    /// The tools of a server as they were listed last; nothing is contacted.
    async fn tool_list(&self, id: Uuid) -> UiResult<Vec<ServerTool>>;
    /// Accepts the definition of one tool that is listed now.
    async fn tool_accept(&self, id: Uuid, tool: String, accept: ToolAccept) -> UiResult<()>;
    /// Calls one tool by hand, with the viewer's own connection.
    async fn tool_call(&self, id: Uuid, tool: String, call: ToolTry) -> UiResult<ToolTried>;
    /// How servers are doing, the worst first.
    async fn fleet(&self, query: FleetQuery) -> UiResult<Fleet>;
    /// Shows what a document of servers would do; with `apply` and the hash of that plan, does it.
    async fn server_import(&self, request: ImportRequest) -> UiResult<ImportPlan>;
    /// Why a user (the viewer, unless another is named) gets the tools of a server; without a chat, in a new one.
    async fn server_explain(
        &self,
        id: Uuid,
        user_id: Option<Uuid>,
        chat_id: Option<Uuid>,
    ) -> UiResult<ServerExplanation>;
    /// Own values for the headers that a server asks everybody for.
    async fn user_headers_set(&self, id: Uuid, values: UserHeaderValues) -> UiResult<()>;
    async fn user_headers_remove(&self, id: Uuid) -> UiResult<()>;
    /// Asks the provider of a server what it offers; with `apply` stores it.
    async fn server_discover(&self, id: Uuid, request: DiscoverRequest) -> UiResult<Discovery>;
    /// Ends the viewer's own connection. Whether the provider took back what it gave: `None` where there was nothing to take back.
    async fn server_disconnect(&self, id: Uuid) -> UiResult<Option<bool>>;
    /// "Not now" to the permission that a server asks the viewer for.
    async fn permission_decline(&self, id: Uuid) -> UiResult<()>;
    /// Who is connected to a server, by user name; where there are very many, the first of them.
    async fn connection_list(&self, id: Uuid) -> UiResult<Vec<ServerConnection>>;
    /// Disconnects one user, or everybody.
    async fn connection_remove(&self, id: Uuid, user: Option<Uuid>) -> UiResult<()>;
    /// The private destinations that may be dialled, in one line.
    async fn egress_allow(&self) -> UiResult<String>;
    /// The same by who allowed them.
    async fn egress_allow_get(&self) -> UiResult<EgressAllow>;
    /// `if_match`: the ETag of the list that was read; a stale one is refused.
    async fn egress_allow_put(
        &self,
        write: EgressAllowWrite,
        if_match: Option<String>,
    ) -> UiResult<EgressAllow>;

    /// The viewer's workspaces by name; the values of headers are not in them.
    async fn workspace_list(&self) -> UiResult<Vec<Workspace>>;
    async fn workspace_get(&self, id: Uuid) -> UiResult<Workspace>;
    async fn workspace_create(&self, create: WorkspaceCreate) -> UiResult<Workspace>;
    async fn workspace_update(&self, id: Uuid, update: WorkspaceUpdate) -> UiResult<Workspace>;
    async fn workspace_delete(&self, id: Uuid) -> UiResult<()>;
    /// Whether chats use the servers of their workspaces, on this deployment.
    async fn workspace_servers_get(&self) -> UiResult<WorkspaceServers>;
    async fn workspace_servers_put(&self, write: WorkspaceServers) -> UiResult<WorkspaceServers>;

    async fn provider_list(&self) -> UiResult<Vec<Provider>>;
    async fn provider_create(&self, create: ProviderCreate) -> UiResult<Provider>;
    async fn provider_update(&self, id: Uuid, update: ProviderUpdate) -> UiResult<Provider>;
    async fn provider_delete(&self, id: Uuid) -> UiResult<()>;
    async fn model_list(&self) -> UiResult<Vec<Model>>;
    async fn model_create(&self, create: ModelCreate) -> UiResult<Model>;
    async fn model_update(&self, id: Uuid, update: ModelUpdate) -> UiResult<Model>;
    async fn model_delete(&self, id: Uuid) -> UiResult<()>;

    /// A page of the audit log, newest first.
    async fn audit_list(&self, query: AuditQuery) -> UiResult<AuditPage>;
    /// Encryption keys: ids, states and use.
    async fn key_list(&self) -> UiResult<Vec<KeyStatus>>;

    async fn user_list(&self, query: PageQuery) -> UiResult<Page<User>>;
    async fn user_get(&self, id: Uuid) -> UiResult<User>;
    async fn user_create(&self, create: UserCreate) -> UiResult<User>;
    async fn user_update(&self, id: Uuid, update: UserUpdate) -> UiResult<User>;
    async fn user_delete(&self, id: Uuid) -> UiResult<()>;
    /// API tokens of any user, for those who manage users.
    async fn user_token_list(&self, user: Uuid) -> UiResult<Vec<Token>>;
    async fn user_token_delete(&self, user: Uuid, id: Uuid) -> UiResult<()>;

    async fn group_list(&self, query: PageQuery) -> UiResult<Page<GroupSummary>>;
    async fn group_get(&self, id: Uuid) -> UiResult<Group>;
    async fn group_create(&self, create: GroupCreate) -> UiResult<Group>;
    async fn group_update(&self, id: Uuid, update: GroupUpdate) -> UiResult<Group>;
    async fn group_delete(&self, id: Uuid) -> UiResult<()>;

    /// Own password.
    async fn password_change(&self, change: PasswordChange) -> UiResult<()>;
    /// Own API tokens.
    async fn token_list(&self) -> UiResult<Vec<Token>>;
    async fn token_create(&self, create: TokenCreate) -> UiResult<TokenCreated>;
    async fn token_delete(&self, id: Uuid) -> UiResult<()>;
    /// Own web sessions.
    async fn session_list(&self) -> UiResult<Vec<Session>>;
    async fn session_delete(&self, id: Uuid) -> UiResult<()>;

    /// Own chats, pinned ones first; those put away, or the others.
    async fn chat_list(&self, archived: bool) -> UiResult<Vec<Chat>>;
    async fn chat_get(&self, id: Uuid) -> UiResult<Chat>;
    async fn chat_create(&self, create: ChatCreate) -> UiResult<ChatCreated>;
    async fn chat_update(&self, id: Uuid, update: ChatUpdate) -> UiResult<Chat>;
    async fn chat_delete(&self, id: Uuid) -> UiResult<()>;
    /// Newest `limit` messages before `before_id`, oldest first, text parts with sanitised `html`.
    async fn message_page(&self, id: Uuid, before_id: Option<i64>, limit: i64) -> UiResult<MessagePage>;
    async fn message_send(&self, id: Uuid, create: MessageCreate) -> UiResult<MessageSent>;
    /// Edit a user message and rerun from there; without content: run it again.
    async fn message_edit(&self, id: Uuid, message_id: i64, edit: MessageEdit) -> UiResult<MessageSent>;
    /// Stop the running turn.
    async fn chat_interrupt(&self, id: Uuid) -> UiResult<Chat>;
    /// Let a call that waits go out, once, or deny it.
    async fn approval_decide(&self, id: Uuid, approval: Uuid, decision: Decision) -> UiResult<ChatAction>;
    /// Answer a question that a server asks during a call.
    async fn elicitation_answer(
        &self,
        id: Uuid,
        elicitation: Uuid,
        answer: ElicitationAnswer,
    ) -> UiResult<ChatAction>;
    /// Results, by hand, of tools that the client of the chat runs.
    async fn tool_results_submit(&self, id: Uuid, results: ToolResults) -> UiResult<Chat>;
    /// Search titles and messages of own chats; the page behind the hit `after`.
    async fn chats_search(&self, text: String, after: Option<i64>) -> UiResult<SearchPage>;
    /// Have the chat summarised.
    async fn chat_compact(&self, id: Uuid) -> UiResult<Chat>;
    /// Send nothing of what is before to the model any more.
    async fn chat_clear(&self, id: Uuid) -> UiResult<Chat>;
    /// Have a model make another title.
    async fn title_regenerate(&self, id: Uuid) -> UiResult<Chat>;
    /// What admins set for all chats; for those who may read all of it.
    async fn chat_settings_get(&self) -> UiResult<ChatSettingValues>;
    async fn chat_settings_put(&self, write: ChatSettingValues) -> UiResult<ChatSettingValues>;
    /// What the viewer set for their own chats.
    async fn own_chat_settings_get(&self) -> UiResult<OwnChatSettings>;
    async fn own_chat_settings_put(&self, own: OwnChatSettings) -> UiResult<OwnChatSettings>;
    /// Take a waiting message back.
    async fn queue_remove(&self, id: Uuid, queued: i64) -> UiResult<()>;
    /// Make a waiting message the next one.
    async fn queue_promote(&self, id: Uuid, queued: i64) -> UiResult<Chat>;
}

/// The backend of the request being rendered or answered.
///
/// # Errors
/// When the server forgot to provide one: a wiring bug, reported as an internal error.
pub fn backend() -> UiResult<Arc<dyn Backend>> {
    use_context::<Arc<dyn Backend>>().ok_or_else(|| UiError::internal("no backend in context"))
}
