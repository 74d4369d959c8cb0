//! Settings of the deployment (behaviour 30).

use super::{
    auth::{EgressAllowWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::AppState,
};
use api::settings::{EgressAllow, EgressAllowWrite};
use axum::extract::State;

pub(crate) async fn egress_allow_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<EgressAllow>> {
    Ok(axum::Json(state.service.egress_allow_get(&ctx).await?))
}

pub(crate) async fn egress_allow_put(
    State(state): State<AppState>,
    EgressAllowWriter(ctx): EgressAllowWriter,
    Json(request): Json<EgressAllowWrite>,
) -> ApiResult<axum::Json<EgressAllow>> {
    Ok(axum::Json(state.service.egress_allow_put(&ctx, request).await?))
}
