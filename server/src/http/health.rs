//! `/healthz`: alive. `/readyz`: database and keys there, migrations done, not draining. `/api/v2/buildinfo`.

use super::{auth::Ctx, error::ApiError, router::AppState};
use axum::{Json, extract::State};
use http::StatusCode;
use std::sync::atomic::Ordering;

pub(crate) async fn alive() -> &'static str {
    "ok"
}

pub(crate) async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    if state.draining.load(Ordering::Relaxed) {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "Shutting down."));
    }
    if !state.keys_readable.load(Ordering::Relaxed) {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Another replica writes with an encryption key that is missing here.",
        ));
    }
    state.service.ready().await?;
    Ok("ready")
}

pub(crate) async fn build_info(State(state): State<AppState>, _ctx: Ctx) -> Json<api::users::BuildInfo> {
    Json(state.service.build_info())
}
