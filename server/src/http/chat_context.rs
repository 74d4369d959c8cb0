//! What the model is told of a chat, and its title (behaviour 17 and 24).

use super::{
    auth::SignedIn,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::chats::Chat;
use axum::extract::{Path, State};

/// Has the chat summarised: the model is then told the summary instead of what is before.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/compact", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, body = Chat, description = "The chat, running until the summary is there"), (status = 404), (status = 409)),
)]
pub(crate) async fn compact(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.chat_compact(&ctx, parse_id("id", &id)?).await?))
}

/// Clears the context: what is before stays and is no longer sent to the model.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/clear", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn clear(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.chat_clear(&ctx, parse_id("id", &id)?).await?))
}

/// Has a model make another title.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/title/regenerate", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn title_regenerate(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.title_regenerate(&ctx, parse_id("id", &id)?).await?))
}
