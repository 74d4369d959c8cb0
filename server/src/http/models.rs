//! Model providers and models (behaviour 30).

use super::{
    auth::{ModelsWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::models::{Model, ModelCreate, ModelUpdate, Provider, ProviderCreate, ProviderUpdate};
use axum::extract::{Path, State};
use http::StatusCode;

pub(crate) async fn provider_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Provider>>> {
    Ok(axum::Json(state.service.provider_list(&ctx).await?))
}

pub(crate) async fn provider_create(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Json(request): Json<ProviderCreate>,
) -> ApiResult<(StatusCode, axum::Json<Provider>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.provider_create(&ctx, request).await?)))
}

pub(crate) async fn provider_update(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
    Json(request): Json<ProviderUpdate>,
) -> ApiResult<axum::Json<Provider>> {
    Ok(axum::Json(state.service.provider_update(&ctx, parse_id("id", &id)?, request).await?))
}

pub(crate) async fn provider_delete(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.provider_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn model_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Model>>> {
    Ok(axum::Json(state.service.model_list(&ctx).await?))
}

pub(crate) async fn model_create(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Json(request): Json<ModelCreate>,
) -> ApiResult<(StatusCode, axum::Json<Model>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.model_create(&ctx, request).await?)))
}

pub(crate) async fn model_update(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
    Json(request): Json<ModelUpdate>,
) -> ApiResult<axum::Json<Model>> {
    Ok(axum::Json(state.service.model_update(&ctx, parse_id("id", &id)?, request).await?))
}

pub(crate) async fn model_delete(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.model_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
