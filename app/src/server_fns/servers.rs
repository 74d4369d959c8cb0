//! MCP servers for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::{UiResult, backend};
use crate::error::UiError;
use api::{
    Page, PageQuery, Uuid,
    check::CheckReport,
    explain::ServerExplanation,
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
    servers.retain(|server| server.auth_type == wire::AuthType::UserHeader);
    Ok(servers)
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
