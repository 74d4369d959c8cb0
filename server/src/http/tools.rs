//! `/api/experimental/mcp/servers/{id}/tools`: what a server lists, accepting it, and a call by hand (behaviour 4).

use super::{
    auth::{ServersReader, ServersWriter},
    body::{Json, OptionalJson},
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::tools::{ServerTool, ToolAccept, ToolTried, ToolTry};
use axum::extract::{Path, State};
use http::StatusCode;

/// The tools of a server as they were listed last; nothing is contacted.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/tools", tag = "tools",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = Vec<ServerTool>), (status = 403), (status = 404)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    ServersReader(ctx): ServersReader,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Vec<ServerTool>>> {
    Ok(axum::Json(state.service.tool_list(&ctx, parse_id("id", &id)?).await?))
}

/// Accepts the definition of a tool that is listed now.
#[utoipa::path(
    post, path = "/api/experimental/mcp/servers/{id}/tools/{tool}/accept", tag = "tools",
    params(("id" = Uuid, Path, description = "The server"), ("tool" = String, Path, description = "The tool, as the server names it")),
    request_body(content = ToolAccept, description = "May be left out: whatever is listed now is accepted"),
    responses((status = 204), (status = 403), (status = 404), (status = 409, description = "It has changed again")),
)]
pub(crate) async fn accept(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path((id, tool)): Path<(String, String)>,
    OptionalJson(accept): OptionalJson<ToolAccept>,
) -> ApiResult<StatusCode> {
    state.service.tool_accept(&ctx, parse_id("id", &id)?, &tool, accept).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Calls a tool by hand, with the caller's own connection. It has an audit entry; arguments and result are not kept.
#[utoipa::path(
    post, path = "/api/experimental/mcp/servers/{id}/tools/{tool}/call", tag = "tools",
    params(("id" = Uuid, Path, description = "The server"), ("tool" = String, Path, description = "The tool, as the server names it")),
    request_body = ToolTry,
    responses((status = 200, body = ToolTried), (status = 403), (status = 404), (status = 409, description = "By now the tool is another"), (status = 429)),
)]
pub(crate) async fn call(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path((id, tool)): Path<(String, String)>,
    Json(call): Json<ToolTry>,
) -> ApiResult<axum::Json<ToolTried>> {
    Ok(axum::Json(state.service.tool_call(&ctx, parse_id("id", &id)?, &tool, call).await?))
}
