//! Settings of the deployment (behaviour 30).

use super::{
    auth::{EgressAllowWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::AppState,
};
use api::settings::{EgressAllow, EgressAllowWrite};
use axum::extract::State;

/// The private destinations that may be dialled, and who allowed them.
#[utoipa::path(
    get, path = "/api/v2/settings/egress-allow", tag = "settings",
    responses((status = 200, body = EgressAllow), (status = 403)),
)]
pub(crate) async fn egress_allow_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<EgressAllow>> {
    Ok(axum::Json(state.service.egress_allow_get(&ctx).await?))
}

/// Replaces what owners allow.
#[utoipa::path(
    put, path = "/api/v2/settings/egress-allow", tag = "settings",
    request_body = EgressAllowWrite,
    responses((status = 200, body = EgressAllow), (status = 403)),
)]
pub(crate) async fn egress_allow_put(
    State(state): State<AppState>,
    EgressAllowWriter(ctx): EgressAllowWriter,
    Json(request): Json<EgressAllowWrite>,
) -> ApiResult<axum::Json<EgressAllow>> {
    Ok(axum::Json(state.service.egress_allow_put(&ctx, request).await?))
}
