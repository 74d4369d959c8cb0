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

#[derive(Deserialize)]
pub(crate) struct ExplainQuery {
    user_id: Option<String>,
    chat_id: Option<String>,
    plan_mode: Option<String>,
}

pub(crate) async fn explain(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<ExplainQuery>,
) -> ApiResult<axum::Json<ServerExplanation>> {
    let id = parse_id("id", &id)?;
    if query.plan_mode.is_some_and(|mode| mode != "false") {
        return Err(ApiError::invalid(
            "plan_mode",
            "Plan mode is not available in this build. Leave it out or send false.",
        ));
    }
    let parse = |field: &str, text: Option<String>| text.map(|text| parse_id(field, &text)).transpose();
    let request = ExplainRequest {
        user_id: parse("user_id", query.user_id)?,
        chat_id: parse("chat_id", query.chat_id)?,
    };
    Ok(axum::Json(state.service.server_explain(&ctx, id, request).await?))
}
