//! [`Backend`] on the use cases, bound to one caller.

use super::{error::ApiError, ui::kind_of};
use api::{
    Page, PageQuery, Uuid,
    actions::{ChatAction, Decision, ElicitationAnswer, ToolResults},
    audit::{AuditPage, AuditQuery},
    chat_settings::{ChatSettingName, ChatSettingValues, OwnChatSettings},
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
use app::{
    backend::{Backend, UiResult},
    error::UiError,
};
use async_trait::async_trait;
use service::{ChatListRequest, ExplainRequest, OpContext, Service};

pub(crate) struct ServiceBackend {
    service: Service,
    ctx: OpContext,
}

impl ServiceBackend {
    pub(crate) fn new(service: Service, ctx: OpContext) -> Self {
        Self { service, ctx }
    }
}

fn ui_error(error: service::Error) -> UiError {
    let error = ApiError::from(error);
    UiError { kind: kind_of(error.status), body: *error.body }
}

/// Pages show whole lists of chats up to this many; older ones are reached by search, later.
const CHATS_SHOWN: i64 = 200;

#[async_trait]
impl Backend for ServiceBackend {
    async fn viewer(&self) -> UiResult<Option<User>> {
        Ok(self.ctx.caller.as_ref().map(|caller| caller.user.clone()))
    }

    async fn has_users(&self) -> UiResult<bool> {
        self.service.users_exist().await.map_err(ui_error)
    }

    async fn build_info(&self) -> UiResult<BuildInfo> {
        Ok(self.service.build_info())
    }

    async fn server_list(&self) -> UiResult<Vec<McpServer>> {
        self.service.server_list(&self.ctx, None, None).await.map_err(ui_error)
    }

    async fn server_page(&self, query: PageQuery, enabled: Option<bool>) -> UiResult<Page<McpServer>> {
        self.service.server_page(&self.ctx, &query, enabled).await.map_err(ui_error)
    }

    async fn server_get(&self, id: Uuid) -> UiResult<McpServer> {
        self.service.server_get(&self.ctx, id).await.map(|(server, _)| server).map_err(ui_error)
    }

    async fn server_create(&self, write: ServerWrite) -> UiResult<McpServer> {
        self.service.server_create(&self.ctx, write).await.map(|(server, _)| server).map_err(ui_error)
    }

    async fn server_update(
        &self,
        id: Uuid,
        write: ServerWrite,
        if_match: Option<String>,
    ) -> UiResult<McpServer> {
        let updated = self.service.server_update(&self.ctx, id, write, if_match.as_deref()).await;
        updated.map(|(server, _)| server).map_err(ui_error)
    }

    async fn server_delete(&self, id: Uuid, if_match: Option<String>) -> UiResult<()> {
        self.service.server_delete(&self.ctx, id, if_match.as_deref()).await.map_err(ui_error)
    }

    async fn server_check(&self, id: Uuid) -> UiResult<CheckReport> {
        self.service.server_check(&self.ctx, id).await.map_err(ui_error)
    }

    async fn server_import(&self, request: ImportRequest) -> UiResult<ImportPlan> {
        self.service.server_import(&self.ctx, request).await.map_err(ui_error)
    }

    async fn server_explain(
        &self,
        id: Uuid,
        user_id: Option<Uuid>,
        chat_id: Option<Uuid>,
    ) -> UiResult<ServerExplanation> {
        let request = ExplainRequest { user_id, chat_id, plan_mode: None };
        self.service.server_explain(&self.ctx, id, request).await.map_err(ui_error)
    }

    async fn user_headers_set(&self, id: Uuid, values: UserHeaderValues) -> UiResult<()> {
        self.service.user_headers_set(&self.ctx, id, values).await.map_err(ui_error)
    }

    async fn user_headers_remove(&self, id: Uuid) -> UiResult<()> {
        self.service.user_headers_remove(&self.ctx, id).await.map_err(ui_error)
    }

    async fn tool_list(&self, id: Uuid) -> UiResult<Vec<ServerTool>> {
        self.service.tool_list(&self.ctx, id).await.map_err(ui_error)
    }

    async fn tool_accept(&self, id: Uuid, tool: String, accept: ToolAccept) -> UiResult<()> {
        self.service.tool_accept(&self.ctx, id, &tool, accept).await.map_err(ui_error)
    }

    async fn tool_call(&self, id: Uuid, tool: String, call: ToolTry) -> UiResult<ToolTried> {
        self.service.tool_call(&self.ctx, id, &tool, call).await.map_err(ui_error)
    }

    async fn fleet(&self, query: FleetQuery) -> UiResult<Fleet> {
        self.service.fleet(&self.ctx, query).await.map_err(ui_error)
    }

    async fn server_discover(&self, id: Uuid, request: DiscoverRequest) -> UiResult<Discovery> {
        self.service.server_discover(&self.ctx, id, request).await.map_err(ui_error)
    }

    async fn server_disconnect(&self, id: Uuid) -> UiResult<Option<bool>> {
        let revocation = self.service.server_disconnect(&self.ctx, id).await.map_err(ui_error)?;
        Ok(match revocation.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    async fn permission_decline(&self, id: Uuid) -> UiResult<()> {
        self.service.permission_decline(&self.ctx, id).await.map_err(ui_error)
    }

    async fn connection_list(&self, id: Uuid) -> UiResult<Vec<ServerConnection>> {
        self.service.connection_list(&self.ctx, id, "").await.map_err(ui_error)
    }

    async fn connection_remove(&self, id: Uuid, user: Option<Uuid>) -> UiResult<()> {
        let removed = match user {
            Some(user) => self.service.connection_remove(&self.ctx, id, user).await,
            None => self.service.connection_remove_all(&self.ctx, id).await,
        };
        removed.map_err(ui_error)
    }

    async fn egress_allow(&self) -> UiResult<String> {
        self.service.egress_allow(&self.ctx).map_err(ui_error)
    }

    async fn egress_allow_get(&self) -> UiResult<EgressAllow> {
        self.service.egress_allow_get(&self.ctx).await.map(|(allowed, _)| allowed).map_err(ui_error)
    }

    async fn egress_allow_put(
        &self,
        write: EgressAllowWrite,
        if_match: Option<String>,
    ) -> UiResult<EgressAllow> {
        let put = self.service.egress_allow_put(&self.ctx, write, if_match.as_deref()).await;
        put.map(|(allowed, _)| allowed).map_err(ui_error)
    }

    async fn workspace_list(&self) -> UiResult<Vec<Workspace>> {
        self.service.workspace_list(&self.ctx).await.map_err(ui_error)
    }

    async fn workspace_get(&self, id: Uuid) -> UiResult<Workspace> {
        self.service.workspace_get(&self.ctx, id).await.map_err(ui_error)
    }

    async fn workspace_create(&self, create: WorkspaceCreate) -> UiResult<Workspace> {
        self.service.workspace_create(&self.ctx, create).await.map_err(ui_error)
    }

    async fn workspace_update(&self, id: Uuid, update: WorkspaceUpdate) -> UiResult<Workspace> {
        self.service.workspace_update(&self.ctx, id, update).await.map_err(ui_error)
    }

    async fn workspace_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.workspace_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn workspace_servers_get(&self) -> UiResult<WorkspaceServers> {
        self.service.workspace_servers_get(&self.ctx).await.map_err(ui_error)
    }

    async fn workspace_servers_put(&self, write: WorkspaceServers) -> UiResult<WorkspaceServers> {
        self.service.workspace_servers_put(&self.ctx, write).await.map_err(ui_error)
    }

    async fn provider_list(&self) -> UiResult<Vec<Provider>> {
        self.service.provider_list(&self.ctx).await.map_err(ui_error)
    }

    async fn provider_create(&self, create: ProviderCreate) -> UiResult<Provider> {
        self.service.provider_create(&self.ctx, create).await.map_err(ui_error)
    }

    async fn provider_update(&self, id: Uuid, update: ProviderUpdate) -> UiResult<Provider> {
        self.service.provider_update(&self.ctx, id, update).await.map_err(ui_error)
    }

    async fn provider_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.provider_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn model_list(&self) -> UiResult<Vec<Model>> {
        self.service.model_list(&self.ctx).await.map_err(ui_error)
    }

    async fn model_create(&self, create: ModelCreate) -> UiResult<Model> {
        self.service.model_create(&self.ctx, create).await.map_err(ui_error)
    }

    async fn model_update(&self, id: Uuid, update: ModelUpdate) -> UiResult<Model> {
        self.service.model_update(&self.ctx, id, update).await.map_err(ui_error)
    }

    async fn model_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.model_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn audit_list(&self, query: AuditQuery) -> UiResult<AuditPage> {
        self.service.audit_list(&self.ctx, &query).await.map_err(ui_error)
    }

    async fn key_list(&self) -> UiResult<Vec<KeyStatus>> {
        self.service.key_list(&self.ctx).await.map_err(ui_error)
    }

    async fn user_list(&self, query: PageQuery) -> UiResult<Page<User>> {
        self.service.user_list(&self.ctx, &query).await.map_err(ui_error)
    }

    async fn user_get(&self, id: Uuid) -> UiResult<User> {
        self.service.user_get(&self.ctx, &id.to_string()).await.map_err(ui_error)
    }

    async fn user_create(&self, create: UserCreate) -> UiResult<User> {
        self.service.user_create(&self.ctx, create).await.map_err(ui_error)
    }

    async fn user_update(&self, id: Uuid, update: UserUpdate) -> UiResult<User> {
        self.service.user_update(&self.ctx, &id.to_string(), update).await.map_err(ui_error)
    }

    async fn user_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.user_delete(&self.ctx, &id.to_string()).await.map_err(ui_error)
    }

    async fn user_token_list(&self, user: Uuid) -> UiResult<Vec<Token>> {
        self.service.token_list(&self.ctx, &user.to_string()).await.map_err(ui_error)
    }

    async fn user_token_delete(&self, user: Uuid, id: Uuid) -> UiResult<()> {
        self.service.token_delete(&self.ctx, &user.to_string(), id).await.map_err(ui_error)
    }

    async fn group_list(&self, query: PageQuery) -> UiResult<Page<GroupSummary>> {
        self.service.group_list(&self.ctx, &query).await.map_err(ui_error)
    }

    async fn group_get(&self, id: Uuid) -> UiResult<Group> {
        self.service.group_get(&self.ctx, id).await.map_err(ui_error)
    }

    async fn group_create(&self, create: GroupCreate) -> UiResult<Group> {
        self.service.group_create(&self.ctx, create).await.map_err(ui_error)
    }

    async fn group_update(&self, id: Uuid, update: GroupUpdate) -> UiResult<Group> {
        self.service.group_update(&self.ctx, id, update).await.map_err(ui_error)
    }

    async fn group_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.group_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn password_change(&self, change: PasswordChange) -> UiResult<()> {
        self.service.password_change(&self.ctx, "me", change).await.map_err(ui_error)
    }

    async fn token_list(&self) -> UiResult<Vec<Token>> {
        self.service.token_list(&self.ctx, "me").await.map_err(ui_error)
    }

    async fn token_create(&self, create: TokenCreate) -> UiResult<TokenCreated> {
        self.service.token_create(&self.ctx, "me", create).await.map_err(ui_error)
    }

    async fn token_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.token_delete(&self.ctx, "me", id).await.map_err(ui_error)
    }

    async fn session_list(&self) -> UiResult<Vec<Session>> {
        self.service.session_list(&self.ctx).await.map_err(ui_error)
    }

    async fn session_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.session_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn chat_list(&self, archived: bool) -> UiResult<Vec<Chat>> {
        let request = ChatListRequest { limit: Some(CHATS_SHOWN), archived, ..ChatListRequest::default() };
        self.service.chat_list(&self.ctx, &request).await.map_err(ui_error)
    }

    async fn chat_get(&self, id: Uuid) -> UiResult<Chat> {
        self.service.chat_get(&self.ctx, id).await.map_err(ui_error)
    }

    async fn chat_create(&self, create: ChatCreate) -> UiResult<ChatCreated> {
        self.service.chat_create(&self.ctx, create, None).await.map_err(ui_error)
    }

    async fn chat_update(&self, id: Uuid, update: ChatUpdate) -> UiResult<Chat> {
        self.service.chat_update(&self.ctx, id, update).await.map_err(ui_error)
    }

    async fn chat_delete(&self, id: Uuid) -> UiResult<()> {
        self.service.chat_delete(&self.ctx, id).await.map_err(ui_error)
    }

    async fn message_page(&self, id: Uuid, before_id: Option<i64>, limit: i64) -> UiResult<MessagePage> {
        let page = self.service.message_page(&self.ctx, id, before_id, None, Some(limit), true).await;
        page.map(|mut page| {
            page.messages.reverse();
            page
        })
        .map_err(ui_error)
    }

    async fn message_send(&self, id: Uuid, create: MessageCreate) -> UiResult<MessageSent> {
        self.service.message_send(&self.ctx, id, create, None).await.map_err(ui_error)
    }

    async fn message_edit(&self, id: Uuid, message_id: i64, edit: MessageEdit) -> UiResult<MessageSent> {
        self.service.message_edit(&self.ctx, id, message_id, edit).await.map_err(ui_error)
    }

    async fn chat_interrupt(&self, id: Uuid) -> UiResult<Chat> {
        self.service.chat_interrupt(&self.ctx, id).await.map_err(ui_error)
    }

    async fn approval_decide(&self, id: Uuid, approval: Uuid, decision: Decision) -> UiResult<ChatAction> {
        self.service.approval_decide(&self.ctx, id, approval, decision).await.map_err(ui_error)
    }

    async fn elicitation_answer(
        &self,
        id: Uuid,
        elicitation: Uuid,
        answer: ElicitationAnswer,
    ) -> UiResult<ChatAction> {
        self.service.elicitation_answer(&self.ctx, id, elicitation, answer).await.map_err(ui_error)
    }

    async fn tool_results_submit(&self, id: Uuid, results: ToolResults) -> UiResult<Chat> {
        self.service.tool_results_submit(&self.ctx, id, results).await.map_err(ui_error)
    }

    async fn chats_search(&self, text: String, after: Option<i64>) -> UiResult<SearchPage> {
        self.service.chats_search(&self.ctx, &text, after, None).await.map_err(ui_error)
    }

    async fn chat_compact(&self, id: Uuid) -> UiResult<Chat> {
        self.service.chat_compact(&self.ctx, id).await.map_err(ui_error)
    }

    async fn chat_clear(&self, id: Uuid) -> UiResult<Chat> {
        self.service.chat_clear(&self.ctx, id).await.map_err(ui_error)
    }

    async fn title_regenerate(&self, id: Uuid) -> UiResult<Chat> {
        self.service.title_regenerate(&self.ctx, id).await.map_err(ui_error)
    }

    async fn chat_settings_get(&self) -> UiResult<ChatSettingValues> {
        self.service.chat_settings_get(&self.ctx, &ChatSettingName::ALL).await.map_err(ui_error)
    }

    async fn chat_settings_put(&self, write: ChatSettingValues) -> UiResult<ChatSettingValues> {
        self.service.chat_settings_put(&self.ctx, write).await.map_err(ui_error)
    }

    async fn own_chat_settings_get(&self) -> UiResult<OwnChatSettings> {
        self.service.own_chat_settings_get(&self.ctx).await.map_err(ui_error)
    }

    async fn own_chat_settings_put(&self, own: OwnChatSettings) -> UiResult<OwnChatSettings> {
        self.service.own_chat_settings_put(&self.ctx, own).await.map_err(ui_error)
    }

    async fn queue_remove(&self, id: Uuid, queued: i64) -> UiResult<()> {
        self.service.queue_remove(&self.ctx, id, queued).await.map_err(ui_error)
    }

    async fn queue_promote(&self, id: Uuid, queued: i64) -> UiResult<Chat> {
        self.service.queue_promote(&self.ctx, id, queued).await.map_err(ui_error)
    }
}
