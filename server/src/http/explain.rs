//! "Why this tool?" over REST (behaviour 4).

use super::{
    auth::SignedIn,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::explain::ServerExplanation;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use service::ExplainRequest;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// Whom to explain; absent: the caller. Others than the caller only for owners, admins and auditors.
    #[param(value_type = Option<Uuid>)]
    user_id: Option<String>,
    /// A chat of that user; absent: a new chat without a list of its own.
    #[param(value_type = Option<Uuid>)]
    chat_id: Option<String>,
    /// Asks about a turn in plan mode, or out of it; absent: as the next turn of the chat will be.
    #[param(value_type = Option<bool>)]
    plan_mode: Option<String>,
}

/// Why a user gets the tools of a server, or does not: every gate with its verdict. Contacts nobody.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/explain", tag = "servers",
    params(("id" = Uuid, Path, description = "The server"), ExplainQuery),
    responses((status = 200, body = ServerExplanation), (status = 404)),
)]
pub(crate) async fn explain(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<ExplainQuery>,
) -> ApiResult<axum::Json<ServerExplanation>> {
    let id = parse_id("id", &id)?;
    let plan_mode = match query.plan_mode.as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(ApiError::invalid("plan_mode", "Use true or false, or leave it out.")),
    };
    let parse = |field: &str, text: Option<String>| text.map(|text| parse_id(field, &text)).transpose();
    let request = ExplainRequest {
        user_id: parse("user_id", query.user_id)?,
        chat_id: parse("chat_id", query.chat_id)?,
        plan_mode,
    };
    Ok(axum::Json(state.service.server_explain(&ctx, id, request).await?))
}
