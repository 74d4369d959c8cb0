//! `/api/experimental/mcp/fleet`: how the servers are doing.

use super::{
    auth::ServersReader,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::fleet::{Fleet, FleetQuery, HealthState};
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// One state only.
    state: Option<String>,
    /// Words that name, slug or URL contain.
    search: Option<String>,
    /// These servers only: ids with commas between them, at most 200.
    ids: Option<String>,
}

/// Servers with their health, the worst first: at most 200, the filters find the rest.
#[utoipa::path(
    get, path = "/api/experimental/mcp/fleet", tag = "tools",
    params(Asked),
    responses((status = 200, body = Fleet), (status = 403)),
)]
pub(crate) async fn fleet(
    State(state): State<AppState>,
    ServersReader(ctx): ServersReader,
    Query(asked): Query<Asked>,
) -> ApiResult<axum::Json<Fleet>> {
    let wanted = asked.state.filter(|text| !text.is_empty());
    let wanted = wanted.map(|text| {
        let known = || HealthState::ALL.map(HealthState::as_str).join(", ");
        HealthState::parse(&text).ok_or_else(|| ApiError::invalid("state", format!("is none of {}", known())))
    });
    let ids = asked.ids.filter(|text| !text.is_empty());
    let ids = ids.map(|text| text.split(',').map(|id| parse_id("ids", id)).collect::<Result<Vec<_>, _>>());
    let query = FleetQuery { state: wanted.transpose()?, search: asked.search, ids: ids.transpose()? };
    Ok(axum::Json(state.service.fleet(&ctx, query).await?))
}
