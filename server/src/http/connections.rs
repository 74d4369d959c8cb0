//! `/api/experimental/mcp/servers/{id}`: own values, disconnect, and who is connected (behaviour 4 and 7).

use super::{
    auth::{ServersWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::servers::{ServerConnection, UserHeaderValues};
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

/// What became of the grant at the provider: `true`, `false` or `none` (behaviour 10).
const TOKEN_REVOKED: HeaderName = HeaderName::from_static("patchbay-token-revoked");

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The last username of the page before.
    after: Option<String>,
}

/// Stores the own values of a server that asks for personal headers.
#[utoipa::path(
    put, path = "/api/experimental/mcp/servers/{id}/user_headers", tag = "connections",
    params(("id" = Uuid, Path, description = "The server")),
    request_body = UserHeaderValues,
    responses((status = 204), (status = 404)),
)]
pub(crate) async fn headers_set(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Json(request): Json<UserHeaderValues>,
) -> ApiResult<StatusCode> {
    state.service.user_headers_set(&ctx, parse_id("id", &id)?, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the own values; also of a server that is gone or hidden.
#[utoipa::path(
    delete, path = "/api/experimental/mcp/servers/{id}/user_headers", tag = "connections",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 204)),
)]
pub(crate) async fn headers_remove(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.user_headers_remove(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the own credential, whatever its kind; also of a server that is gone or hidden.
#[utoipa::path(
    delete, path = "/api/experimental/mcp/servers/{id}/oauth2/disconnect", tag = "connections",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 204, headers(("Patchbay-Token-Revoked" = String, description = "`true`, `false` or `none`: what became of the grant at the provider")))),
)]
pub(crate) async fn disconnect(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let revocation = state.service.server_disconnect(&ctx, parse_id("id", &id)?).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(TOKEN_REVOKED, HeaderValue::from_static(revocation.as_str()));
    Ok(response)
}

/// Who is connected, by username.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/connections", tag = "connections",
    params(("id" = Uuid, Path, description = "The server"), Page),
    responses((status = 200, body = Vec<ServerConnection>), (status = 403), (status = 404)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> ApiResult<axum::Json<Vec<ServerConnection>>> {
    let after = page.after.unwrap_or_default();
    Ok(axum::Json(state.service.connection_list(&ctx, parse_id("id", &id)?, &after).await?))
}

/// Removes one user's connection.
#[utoipa::path(
    delete, path = "/api/experimental/mcp/servers/{id}/connections/{user}", tag = "connections",
    params(("id" = Uuid, Path, description = "The server"), ("user" = Uuid, Path, description = "The user")),
    responses((status = 204), (status = 403), (status = 404)),
)]
pub(crate) async fn remove(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path((id, user)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    state.service.connection_remove(&ctx, parse_id("id", &id)?, parse_id("user", &user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the connections of all users.
#[utoipa::path(
    delete, path = "/api/experimental/mcp/servers/{id}/connections", tag = "connections",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 204), (status = 403), (status = 404)),
)]
pub(crate) async fn remove_all(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.connection_remove_all(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
