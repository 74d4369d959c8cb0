//! MCP servers for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{
    Page, PageQuery, Uuid,
    check::CheckReport,
    servers as wire,
    transfer::{ImportPlan, ImportRequest},
};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// A page of the servers the viewer may see; `enabled` keeps one kind.
#[server(prefix = "/ui/fn", endpoint = "server_page", input = Json)]
pub async fn server_page(query: PageQuery, enabled: Option<bool>) -> Result<Page<wire::McpServer>, UiError> {
    answer(backend()?.server_page(query, enabled).await)
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

/// Deletes a server.
#[server(prefix = "/ui/fn", endpoint = "server_delete", input = Json)]
pub async fn server_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.server_delete(id).await)
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

/// The private destinations that may be dialled, in one line.
#[server(prefix = "/ui/fn", endpoint = "egress_allow", input = Json)]
pub async fn egress_allow() -> Result<String, UiError> {
    answer(backend()?.egress_allow().await)
}
