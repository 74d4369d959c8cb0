//! Groups (behaviour 30).

use super::{
    auth::{GroupsManager, SignedIn},
    body::Json,
    error::ApiResult,
    paging::{answer, next_link},
    router::{AppState, parse_id},
};
use api::{
    PageQuery,
    groups::{Group, GroupCreate, GroupSummary, GroupUpdate},
};
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::StatusCode;

/// Lists groups by name, in pages.
#[utoipa::path(
    get, path = "/api/v2/groups", tag = "groups",
    params(PageQuery),
    responses((status = 200, body = Vec<GroupSummary>, headers(("Link" = Option<String>, description = "The next page, `rel=\"next\"`"))), (status = 403)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(query): Query<PageQuery>,
) -> ApiResult<Response> {
    let page = state.service.group_list(&ctx, &query).await?;
    let next = next_link("/api/v2/groups", &query, page.next.as_deref());
    Ok(answer(page.rows, next))
}

/// Makes a group.
#[utoipa::path(
    post, path = "/api/v2/groups", tag = "groups",
    request_body = GroupCreate,
    responses((status = 201, body = Group), (status = 403), (status = 409)),
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Json(request): Json<GroupCreate>,
) -> ApiResult<(StatusCode, axum::Json<Group>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.group_create(&ctx, request).await?)))
}

/// One group with its members.
#[utoipa::path(
    get, path = "/api/v2/groups/{id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group")),
    responses((status = 200, body = Group), (status = 403), (status = 404)),
)]
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Group>> {
    Ok(axum::Json(state.service.group_get(&ctx, parse_id("id", &id)?).await?))
}

/// Renames a group; adds and removes members.
#[utoipa::path(
    patch, path = "/api/v2/groups/{id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group")),
    request_body = GroupUpdate,
    responses((status = 200, body = Group), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn update(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Path(id): Path<String>,
    Json(request): Json<GroupUpdate>,
) -> ApiResult<axum::Json<Group>> {
    Ok(axum::Json(state.service.group_update(&ctx, parse_id("id", &id)?, request).await?))
}

/// Deletes a group that limits no server.
#[utoipa::path(
    delete, path = "/api/v2/groups/{id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group")),
    responses((status = 204), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.group_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
