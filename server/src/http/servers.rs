//! MCP servers (behaviour 4).

use super::{
    auth::{ServersWriter, SignedIn},
    body::Json,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::{
    check::CheckReport,
    servers::{McpServer, ServerWrite},
};
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ETAG, IF_MATCH, LINK},
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The last id of the page before.
    #[param(value_type = Option<Uuid>)]
    after: Option<String>,
    /// Rows of a page, 1 to 200; without it all rows come. Text, so that `-1` is refused by its name.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// Largest page.
const MAX_PAGE: usize = 200;

fn parse_limit(text: &str) -> ApiResult<usize> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| ApiError::invalid("limit", format!("Use 1 to {MAX_PAGE}.")))
}

pub(super) fn with_etag(status: StatusCode, object: impl Serialize, etag: &str) -> Response {
    let mut response = (status, axum::Json(object)).into_response();
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

pub(super) fn if_match(headers: &HeaderMap) -> Option<String> {
    headers.get(IF_MATCH).map(|value| value.to_str().unwrap_or_default().to_owned())
}

/// Lists servers by display name: all rows, or pages with a `Link` to the next.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers", tag = "servers",
    params(Page),
    responses((status = 200, body = Vec<McpServer>, headers(("Link" = Option<String>, description = "The next page, `rel=\"next\"`, when `limit` was given")))),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(page): Query<Page>,
) -> ApiResult<Response> {
    let limit = page.limit.as_deref().map(parse_limit).transpose()?;
    let after = page.after.as_deref().map(|text| parse_id("after", text)).transpose()?;
    let servers = state.service.server_list(&ctx, after, limit).await?;
    let next = limit.filter(|limit| servers.len() == *limit).and_then(|limit| {
        let last = servers.last()?.id;
        HeaderValue::from_str(&format!(
            "</api/experimental/mcp/servers?limit={limit}&after={last}>; rel=\"next\""
        ))
        .ok()
    });
    let mut response = axum::Json(servers).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// Registers a server.
#[utoipa::path(
    post, path = "/api/experimental/mcp/servers", tag = "servers",
    request_body = ServerWrite,
    responses((status = 201, body = McpServer, headers(("ETag" = String, description = "Version of this object, for `If-Match`"))), (status = 403), (status = 409)),
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Json(request): Json<ServerWrite>,
) -> ApiResult<Response> {
    let (server, etag) = state.service.server_create(&ctx, request).await?;
    Ok(with_etag(StatusCode::CREATED, server, &etag))
}

/// One server.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}", tag = "servers",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = McpServer, headers(("ETag" = String, description = "Version of this object, for `If-Match`"))), (status = 404)),
)]
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let (server, etag) = state.service.server_get(&ctx, parse_id("id", &id)?).await?;
    Ok(with_etag(StatusCode::OK, server, &etag))
}

/// Changes a server: omitted fields are kept, present ones replaced.
#[utoipa::path(
    patch, path = "/api/experimental/mcp/servers/{id}", tag = "servers",
    params(("id" = Uuid, Path, description = "The server"), ("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    request_body = ServerWrite,
    responses((status = 200, body = McpServer, headers(("ETag" = String, description = "Version of this object, for `If-Match`"))), (status = 403), (status = 404), (status = 409), (status = 412)),
)]
pub(crate) async fn update(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<ServerWrite>,
) -> ApiResult<Response> {
    let id = parse_id("id", &id)?;
    let (server, etag) =
        state.service.server_update(&ctx, id, request, if_match(&headers).as_deref()).await?;
    Ok(with_etag(StatusCode::OK, server, &etag))
}

/// Removes a server with every credential stored for it.
#[utoipa::path(
    delete, path = "/api/experimental/mcp/servers/{id}", tag = "servers",
    params(("id" = Uuid, Path, description = "The server"), ("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    responses((status = 204), (status = 403), (status = 404), (status = 412)),
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    state.service.server_delete(&ctx, parse_id("id", &id)?, if_match(&headers).as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Contacts a stored server as the caller: status, connect outcome, tools.
#[utoipa::path(
    post, path = "/api/experimental/mcp/servers/{id}/check", tag = "servers",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = CheckReport), (status = 404), (status = 429)),
)]
pub(crate) async fn check(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<CheckReport>> {
    Ok(axum::Json(state.service.server_check(&ctx, parse_id("id", &id)?).await?))
}
