//! Encryption keys: shown, never changed over HTTP (behaviour 26).

use super::{auth::SignedIn, error::ApiResult, router::AppState};
use api::keys::KeyStatus;
use axum::extract::State;

/// Encryption keys: ids, states and what needs them; never a key.
#[utoipa::path(
    get, path = "/api/v2/keys", tag = "keys",
    responses((status = 200, body = Vec<KeyStatus>), (status = 403)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<KeyStatus>>> {
    Ok(axum::Json(state.service.key_list(&ctx).await?))
}
