//! Workspaces (behaviour 23), and the switch for their servers.

use super::{
    auth::{ServersWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::workspaces::{Workspace, WorkspaceCreate, WorkspaceServers, WorkspaceUpdate};
use axum::extract::{Path, State};
use http::StatusCode;

/// The caller's workspaces by name, with the values of headers replaced.
#[utoipa::path(
    get, path = "/api/v2/workspaces", tag = "workspaces",
    responses((status = 200, body = Vec<Workspace>)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Workspace>>> {
    Ok(axum::Json(state.service.workspace_list(&ctx).await?))
}

/// Makes a workspace.
#[utoipa::path(
    post, path = "/api/v2/workspaces", tag = "workspaces",
    request_body = WorkspaceCreate,
    responses((status = 201, body = Workspace), (status = 409)),
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Json(request): Json<WorkspaceCreate>,
) -> ApiResult<(StatusCode, axum::Json<Workspace>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.workspace_create(&ctx, request).await?)))
}

/// One workspace of the caller.
#[utoipa::path(
    get, path = "/api/v2/workspaces/{id}", tag = "workspaces",
    params(("id" = Uuid, Path, description = "The workspace")),
    responses((status = 200, body = Workspace), (status = 404)),
)]
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Workspace>> {
    Ok(axum::Json(state.service.workspace_get(&ctx, parse_id("id", &id)?).await?))
}

/// Changes a workspace: what is omitted stays; a header that is sent as `<stored>` keeps its value.
#[utoipa::path(
    patch, path = "/api/v2/workspaces/{id}", tag = "workspaces",
    params(("id" = Uuid, Path, description = "The workspace")),
    request_body = WorkspaceUpdate,
    responses((status = 200, body = Workspace), (status = 404)),
)]
pub(crate) async fn update(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Json(request): Json<WorkspaceUpdate>,
) -> ApiResult<axum::Json<Workspace>> {
    Ok(axum::Json(state.service.workspace_update(&ctx, parse_id("id", &id)?, request).await?))
}

/// Deletes a workspace; its chats stay, without it.
#[utoipa::path(
    delete, path = "/api/v2/workspaces/{id}", tag = "workspaces",
    params(("id" = Uuid, Path, description = "The workspace")),
    responses((status = 204), (status = 404)),
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.workspace_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether chats use the servers of their workspaces.
#[utoipa::path(
    get, path = "/api/v2/settings/workspace-servers", tag = "settings",
    responses((status = 200, body = WorkspaceServers)),
)]
pub(crate) async fn switch_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<WorkspaceServers>> {
    Ok(axum::Json(state.service.workspace_servers_get(&ctx).await?))
}

/// Switches the servers of workspaces on or off for everybody.
#[utoipa::path(
    put, path = "/api/v2/settings/workspace-servers", tag = "settings",
    request_body = WorkspaceServers,
    responses((status = 200, body = WorkspaceServers), (status = 403)),
)]
pub(crate) async fn switch_put(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Json(request): Json<WorkspaceServers>,
) -> ApiResult<axum::Json<WorkspaceServers>> {
    Ok(axum::Json(state.service.workspace_servers_put(&ctx, request).await?))
}
