//! Settings of the deployment (behaviour 30).

use super::{
    auth::{EgressAllowWriter, SignedIn},
    body::Json,
    error::ApiResult,
    router::AppState,
    servers::{if_match, with_etag},
};
use api::settings::{EgressAllow, EgressAllowWrite};
use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};

/// The private destinations that may be dialled, and who allowed them.
#[utoipa::path(
    get, path = "/api/v2/settings/egress-allow", tag = "settings",
    responses((status = 200, body = EgressAllow, headers(("ETag" = String, description = "Version of what owners allow, for `If-Match`"))), (status = 403)),
)]
pub(crate) async fn egress_allow_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<Response> {
    let (allowed, etag) = state.service.egress_allow_get(&ctx).await?;
    Ok(with_etag(StatusCode::OK, allowed, &etag))
}

/// Replaces what owners allow.
#[utoipa::path(
    put, path = "/api/v2/settings/egress-allow", tag = "settings",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    request_body = EgressAllowWrite,
    responses((status = 200, body = EgressAllow, headers(("ETag" = String, description = "Version of what owners allow, for `If-Match`"))), (status = 403), (status = 412)),
)]
pub(crate) async fn egress_allow_put(
    State(state): State<AppState>,
    EgressAllowWriter(ctx): EgressAllowWriter,
    headers: HeaderMap,
    Json(request): Json<EgressAllowWrite>,
) -> ApiResult<Response> {
    let (allowed, etag) =
        state.service.egress_allow_put(&ctx, request, if_match(&headers).as_deref()).await?;
    Ok(with_etag(StatusCode::OK, allowed, &etag))
}
