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
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    /// Text, so that `-1` is refused by its name.
    limit: Option<String>,
}

/// Largest page.
const MAX_PAGE: usize = 200;

fn parse_limit(text: &str) -> ApiResult<usize> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| ApiError::invalid("limit", format!("Use 1 to {MAX_PAGE}.")))
}

fn with_etag(status: StatusCode, server: McpServer, etag: &str) -> Response {
    let mut response = (status, axum::Json(server)).into_response();
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    headers.get(IF_MATCH).map(|value| value.to_str().unwrap_or_default().to_owned())
}

/// All rows, or pages with a `Link` to the next.
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

pub(crate) async fn create(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Json(request): Json<ServerWrite>,
) -> ApiResult<Response> {
    let (server, etag) = state.service.server_create(&ctx, request).await?;
    Ok(with_etag(StatusCode::CREATED, server, &etag))
}

pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let (server, etag) = state.service.server_get(&ctx, parse_id("id", &id)?).await?;
    Ok(with_etag(StatusCode::OK, server, &etag))
}

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

pub(crate) async fn delete(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    state.service.server_delete(&ctx, parse_id("id", &id)?, if_match(&headers).as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn check(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<CheckReport>> {
    Ok(axum::Json(state.service.server_check(&ctx, parse_id("id", &id)?).await?))
}
