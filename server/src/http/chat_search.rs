//! Full-text search over one's own chats.

use super::{auth::SignedIn, error::ApiResult, router::AppState};
use api::search::SearchPage;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Words to look for, at most 128 characters; each begins a word of the text, and no sign has a meaning.
    #[serde(default)]
    q: String,
    /// Hits of a page.
    limit: Option<i64>,
    /// The last id of the page before.
    after: Option<i64>,
}

/// Searches titles and messages of own chats, archived ones too; the newest first.
#[utoipa::path(
    get, path = "/api/experimental/chats/search", tag = "chats",
    params(SearchQuery),
    responses((status = 200, body = SearchPage)),
)]
pub(crate) async fn search(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(query): Query<SearchQuery>,
) -> ApiResult<axum::Json<SearchPage>> {
    Ok(axum::Json(state.service.chats_search(&ctx, &query.q, query.after, query.limit).await?))
}
