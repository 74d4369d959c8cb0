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

/// Lists model providers, without their keys.
#[utoipa::path(
    get, path = "/api/v2/providers", tag = "models",
    responses((status = 200, body = Vec<Provider>), (status = 403)),
)]
pub(crate) async fn provider_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Provider>>> {
    Ok(axum::Json(state.service.provider_list(&ctx).await?))
}

/// Adds a model provider.
#[utoipa::path(
    post, path = "/api/v2/providers", tag = "models",
    request_body = ProviderCreate,
    responses((status = 201, body = Provider), (status = 403), (status = 409)),
)]
pub(crate) async fn provider_create(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Json(request): Json<ProviderCreate>,
) -> ApiResult<(StatusCode, axum::Json<Provider>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.provider_create(&ctx, request).await?)))
}

/// Changes a model provider: omitted fields are kept.
#[utoipa::path(
    patch, path = "/api/v2/providers/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The provider")),
    request_body = ProviderUpdate,
    responses((status = 200, body = Provider), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn provider_update(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
    Json(request): Json<ProviderUpdate>,
) -> ApiResult<axum::Json<Provider>> {
    Ok(axum::Json(state.service.provider_update(&ctx, parse_id("id", &id)?, request).await?))
}

/// Removes a model provider with its models.
#[utoipa::path(
    delete, path = "/api/v2/providers/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The provider")),
    responses((status = 204), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn provider_delete(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.provider_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists models; members see enabled ones without provider details.
#[utoipa::path(
    get, path = "/api/v2/models", tag = "models",
    responses((status = 200, body = Vec<Model>)),
)]
pub(crate) async fn model_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Model>>> {
    Ok(axum::Json(state.service.model_list(&ctx).await?))
}

/// Adds a model.
#[utoipa::path(
    post, path = "/api/v2/models", tag = "models",
    request_body = ModelCreate,
    responses((status = 201, body = Model), (status = 403), (status = 409)),
)]
pub(crate) async fn model_create(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Json(request): Json<ModelCreate>,
) -> ApiResult<(StatusCode, axum::Json<Model>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.model_create(&ctx, request).await?)))
}

/// Changes a model: omitted fields are kept.
#[utoipa::path(
    patch, path = "/api/v2/models/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The model")),
    request_body = ModelUpdate,
    responses((status = 200, body = Model), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn model_update(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
    Json(request): Json<ModelUpdate>,
) -> ApiResult<axum::Json<Model>> {
    Ok(axum::Json(state.service.model_update(&ctx, parse_id("id", &id)?, request).await?))
}

/// Removes a model; chats keep their messages.
#[utoipa::path(
    delete, path = "/api/v2/models/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The model")),
    responses((status = 204), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn model_delete(
    State(state): State<AppState>,
    ModelsWriter(ctx): ModelsWriter,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.model_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
