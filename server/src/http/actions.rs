//! What turns wait for: approvals and the results of tools that clients run (behaviour 15 and 17).

use super::{
    auth::SignedIn,
    body::Json,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::{
    actions::{ApprovalDecision, ChatAction, ElicitationAnswer, ToolResults},
    chats::Chat,
};
use axum::extract::{Path, State};

/// Lets a call that waits go out, once and exactly as shown, or denies it. The turn goes on when everything it waits for is decided.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/approvals/{approval}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("approval" = Uuid, Path, description = "An approval that is asked for")),
    request_body = ApprovalDecision,
    responses((status = 200, body = ChatAction), (status = 404), (status = 409)),
)]
pub(crate) async fn approval_decide(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, approval)): Path<(String, String)>,
    Json(request): Json<ApprovalDecision>,
) -> ApiResult<axum::Json<ChatAction>> {
    let (id, approval) = (parse_id("id", &id)?, parse_id("approval", &approval)?);
    Ok(axum::Json(state.service.approval_decide(&ctx, id, approval, request.decision).await?))
}

/// Answers a question that a server asks during a call. The values go to that server only.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/elicitations/{elicitation}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("elicitation" = Uuid, Path, description = "A question that is open")),
    request_body = ElicitationAnswer,
    responses((status = 200, body = ChatAction), (status = 404), (status = 409)),
)]
pub(crate) async fn elicitation_answer(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, elicitation)): Path<(String, String)>,
    Json(request): Json<ElicitationAnswer>,
) -> ApiResult<axum::Json<ChatAction>> {
    let (id, elicitation) = (parse_id("id", &id)?, parse_id("elicitation", &elicitation)?);
    Ok(axum::Json(state.service.elicitation_answer(&ctx, id, elicitation, request).await?))
}

/// Brings the results of tools that the client runs itself. The turn goes on when everything it waits for is there.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/tool-results", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    request_body = ToolResults,
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn tool_results_submit(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Json(request): Json<ToolResults>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.tool_results_submit(&ctx, parse_id("id", &id)?, request).await?))
}
