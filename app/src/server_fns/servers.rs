//! MCP servers for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::{UiResult, backend};
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::error::UiErrorKind;
use api::{
    Page, PageQuery, Uuid,
    check::CheckReport,
    explain::ServerExplanation,
    oauth::{DiscoverRequest, Discovery, OwnConnection},
    servers as wire,
    transfer::{ImportPlan, ImportRequest},
};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// A page of the servers the viewer may see; `enabled` keeps one kind.
#[server(prefix = "/ui/fn", endpoint = "server_page", input = Json)]
pub async fn server_page(query: PageQuery, enabled: Option<bool>) -> Result<Page<wire::McpServer>, UiError> {
    answer(backend()?.server_page(query, enabled).await)
}

#[cfg(feature = "ssr")]
async fn personal() -> UiResult<Vec<wire::McpServer>> {
    let mut servers = backend()?.server_list().await?;
    servers.retain(is_personal);
    Ok(servers)
}

/// Whether each person connects to the server for themselves.
pub(crate) fn is_personal(server: &wire::McpServer) -> bool {
    matches!(server.auth_type, wire::AuthType::Oauth2 | wire::AuthType::UserHeader)
}

/// Servers that ask for something of the viewer's own.
#[server(prefix = "/ui/fn", endpoint = "server_list_personal", input = Json)]
pub async fn server_list_personal() -> Result<Vec<wire::McpServer>, UiError> {
    answer(personal().await)
}

/// One server.
#[server(prefix = "/ui/fn", endpoint = "server_get", input = Json)]
pub async fn server_get(id: Uuid) -> Result<wire::McpServer, UiError> {
    answer(backend()?.server_get(id).await)
}

/// What a connection changes of a server, for the one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    pub id: Uuid,
    pub auth_connected: bool,
    pub auth_status: wire::AuthStatus,
    pub auth_status_reason: String,
    pub connection: Option<OwnConnection>,
}

impl ServerState {
    pub fn of(server: &wire::McpServer) -> Self {
        Self {
            id: server.id,
            auth_connected: server.auth_connected,
            auth_status: server.auth_status,
            auth_status_reason: server.auth_status_reason.clone(),
            connection: server.connection.clone(),
        }
    }

    /// Takes it over; false where `server` is another one, or nothing is new.
    pub fn apply(&self, server: &mut wire::McpServer) -> bool {
        if server.id != self.id || Self::of(server) == *self {
            return false;
        }
        server.auth_connected = self.auth_connected;
        server.auth_status = self.auth_status;
        server.auth_status_reason.clone_from(&self.auth_status_reason);
        server.connection.clone_from(&self.connection);
        true
    }
}

#[cfg(feature = "ssr")]
async fn states(ids: &[Uuid]) -> UiResult<Vec<ServerState>> {
    let backend = backend()?;
    // One server, as in the editor, is not worth a list of all.
    let servers = match ids {
        [] => Vec::new(),
        [id] => match backend.server_get(*id).await {
            Ok(server) => vec![server],
            Err(error) if error.kind == UiErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        },
        _ => backend.server_list().await?,
    };
    Ok(servers.iter().filter(|server| ids.contains(&server.id)).map(ServerState::of).collect())
}

/// How the viewer's connections to these servers stand; what the viewer may not see is left out.
#[server(name = ServerStatesCall, prefix = "/ui/fn", endpoint = "server_states", input = Json)]
pub async fn server_states(ids: Vec<Uuid>) -> Result<Vec<ServerState>, UiError> {
    answer(states(&ids).await)
}

/// Registers a server.
#[server(prefix = "/ui/fn", endpoint = "server_create", input = Json)]
pub async fn server_create(write: wire::ServerWrite) -> Result<wire::McpServer, UiError> {
    answer(backend()?.server_create(write).await)
}

/// Changes a server; `if_match` is the ETag the form was loaded with.
#[server(prefix = "/ui/fn", endpoint = "server_update", input = Json)]
pub async fn server_update(
    id: Uuid,
    write: wire::ServerWrite,
    if_match: Option<String>,
) -> Result<wire::McpServer, UiError> {
    answer(backend()?.server_update(id, write, if_match).await)
}

/// Deletes a server; `if_match` is the ETag the form was loaded with.
#[server(prefix = "/ui/fn", endpoint = "server_delete", input = Json)]
pub async fn server_delete(id: Uuid, if_match: Option<String>) -> Result<(), UiError> {
    answer(backend()?.server_delete(id, if_match).await)
}

/// A server as somebody else left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerNow {
    pub server: wire::McpServer,
    /// Who changed it last; empty when that cannot be told any more.
    pub changed_by: String,
}

#[cfg(feature = "ssr")]
async fn now(id: Uuid) -> UiResult<ServerNow> {
    let backend = backend()?;
    let server = backend.server_get(id).await?;
    let changed_by = match server.updated_by {
        Some(user) => backend.user_get(user).await.map(|user| user.username).unwrap_or_default(),
        None => String::new(),
    };
    Ok(ServerNow { server, changed_by })
}

/// One server as it stands, and who changed it last.
#[server(name = ServerNowCall, prefix = "/ui/fn", endpoint = "server_now", input = Json)]
pub async fn server_now(id: Uuid) -> Result<ServerNow, UiError> {
    answer(now(id).await)
}

/// Stores the viewer's values for the headers of a server.
#[server(prefix = "/ui/fn", endpoint = "user_headers_set", input = Json)]
pub async fn user_headers_set(id: Uuid, values: wire::UserHeaderValues) -> Result<(), UiError> {
    answer(backend()?.user_headers_set(id, values).await)
}

/// Deletes the viewer's values.
#[server(prefix = "/ui/fn", endpoint = "user_headers_remove", input = Json)]
pub async fn user_headers_remove(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.user_headers_remove(id).await)
}

/// Asks the provider of a server what it offers; with `apply` stores it.
#[server(name = ServerDiscoverCall, prefix = "/ui/fn", endpoint = "server_discover", input = Json)]
pub async fn server_discover(id: Uuid, request: DiscoverRequest) -> Result<Discovery, UiError> {
    answer(backend()?.server_discover(id, request).await)
}

/// Ends the viewer's own connection; whether the provider took back what it gave, if there was something.
#[server(name = ServerDisconnectCall, prefix = "/ui/fn", endpoint = "server_disconnect", input = Json)]
pub async fn server_disconnect(id: Uuid) -> Result<Option<bool>, UiError> {
    answer(backend()?.server_disconnect(id).await)
}

/// "Not now" to the permission that a server asks the viewer for.
#[server(name = PermissionDeclineCall, prefix = "/ui/fn", endpoint = "permission_decline", input = Json)]
pub async fn permission_decline(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.permission_decline(id).await)
}

/// Who is connected to a server.
#[server(prefix = "/ui/fn", endpoint = "connection_list", input = Json)]
pub async fn connection_list(id: Uuid) -> Result<Vec<wire::ServerConnection>, UiError> {
    answer(backend()?.connection_list(id).await)
}

/// Disconnects one user, or everybody.
#[server(prefix = "/ui/fn", endpoint = "connection_remove", input = Json)]
pub async fn connection_remove(id: Uuid, user: Option<Uuid>) -> Result<(), UiError> {
    answer(backend()?.connection_remove(id, user).await)
}

/// Contacts a server and reports.
#[server(prefix = "/ui/fn", endpoint = "server_check", input = Json)]
pub async fn server_check(id: Uuid) -> Result<CheckReport, UiError> {
    answer(backend()?.server_check(id).await)
}

/// Shows what a document of servers would do; with `apply` and the hash of that plan, does it.
#[server(prefix = "/ui/fn", endpoint = "server_import", input = Json)]
pub async fn server_import(request: ImportRequest) -> Result<ImportPlan, UiError> {
    answer(backend()?.server_import(request).await)
}

/// Why a user (the viewer, unless another is named) gets the tools of a server; without a chat, in a new one.
#[server(prefix = "/ui/fn", endpoint = "server_explain", input = Json)]
pub async fn server_explain(
    id: Uuid,
    user_id: Option<Uuid>,
    chat_id: Option<Uuid>,
) -> Result<ServerExplanation, UiError> {
    answer(backend()?.server_explain(id, user_id, chat_id).await)
}

/// The private destinations that may be dialled, in one line.
#[server(prefix = "/ui/fn", endpoint = "egress_allow", input = Json)]
pub async fn egress_allow() -> Result<String, UiError> {
    answer(backend()?.egress_allow().await)
}
