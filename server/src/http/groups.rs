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
    groups::{Group, GroupCreate, GroupUpdate},
};
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::StatusCode;

pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(query): Query<PageQuery>,
) -> ApiResult<Response> {
    let page = state.service.group_list(&ctx, &query).await?;
    let next = next_link("/api/v2/groups", &query, page.next.as_deref());
    Ok(answer(page.rows, next))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Json(request): Json<GroupCreate>,
) -> ApiResult<(StatusCode, axum::Json<Group>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.group_create(&ctx, request).await?)))
}

pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Group>> {
    Ok(axum::Json(state.service.group_get(&ctx, parse_id("id", &id)?).await?))
}

pub(crate) async fn update(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Path(id): Path<String>,
    Json(request): Json<GroupUpdate>,
) -> ApiResult<axum::Json<Group>> {
    Ok(axum::Json(state.service.group_update(&ctx, parse_id("id", &id)?, request).await?))
}

pub(crate) async fn delete(
    State(state): State<AppState>,
    GroupsManager(ctx): GroupsManager,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.group_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
