//! Encryption keys: shown, never changed over HTTP (behaviour 26).

use super::{auth::SignedIn, error::ApiResult, router::AppState};
use api::keys::KeyStatus;
use axum::extract::State;

pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<KeyStatus>>> {
    Ok(axum::Json(state.service.key_list(&ctx).await?))
}
