//! The viewer's workspaces, and the switch for their servers.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{Uuid, workspaces as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// The viewer's workspaces by name.
#[server(prefix = "/ui/fn", endpoint = "workspace_list", input = Json)]
pub async fn workspace_list() -> Result<Vec<wire::Workspace>, UiError> {
    answer(backend()?.workspace_list().await)
}

/// One workspace of the viewer.
#[server(prefix = "/ui/fn", endpoint = "workspace_get", input = Json)]
pub async fn workspace_get(id: Uuid) -> Result<wire::Workspace, UiError> {
    answer(backend()?.workspace_get(id).await)
}

/// Makes a workspace.
#[server(prefix = "/ui/fn", endpoint = "workspace_create", input = Json)]
pub async fn workspace_create(create: wire::WorkspaceCreate) -> Result<wire::Workspace, UiError> {
    answer(backend()?.workspace_create(create).await)
}

/// Changes a workspace.
#[server(prefix = "/ui/fn", endpoint = "workspace_update", input = Json)]
pub async fn workspace_update(id: Uuid, update: wire::WorkspaceUpdate) -> Result<wire::Workspace, UiError> {
    answer(backend()?.workspace_update(id, update).await)
}

/// Deletes a workspace.
#[server(prefix = "/ui/fn", endpoint = "workspace_delete", input = Json)]
pub async fn workspace_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.workspace_delete(id).await)
}

/// Whether chats use the servers of their workspaces.
#[server(prefix = "/ui/fn", endpoint = "workspace_servers_get", input = Json)]
pub async fn workspace_servers_get() -> Result<wire::WorkspaceServers, UiError> {
    answer(backend()?.workspace_servers_get().await)
}

/// Switches them on or off for everybody.
#[server(prefix = "/ui/fn", endpoint = "workspace_servers_put", input = Json)]
pub async fn workspace_servers_put(write: wire::WorkspaceServers) -> Result<wire::WorkspaceServers, UiError> {
    answer(backend()?.workspace_servers_put(write).await)
}
