//! `/healthz`: alive. `/readyz`: database and keys there, migrations done, not draining. `/api/v2/buildinfo`.

use super::{auth::Ctx, error::ApiError, router::AppState};
use api::users::BuildInfo;
use axum::{Json, extract::State};
use http::StatusCode;
use std::sync::atomic::Ordering;

/// Alive: the process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses((status = 200, body = String)),
    security(()),
)]
pub(crate) async fn alive() -> &'static str {
    "ok"
}

/// Ready: the database answers, keys and migrations are there, the server is not draining.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, body = String), (status = 503)),
    security(()),
)]
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

/// Version, commit, database engine, dashboard address.
#[utoipa::path(
    get, path = "/api/v2/buildinfo", tag = "operations",
    responses((status = 200, body = BuildInfo)),
    security(()),
)]
pub(crate) async fn build_info(State(state): State<AppState>, _ctx: Ctx) -> Json<BuildInfo> {
    Json(state.service.build_info())
}
