//! Import and export of servers.

use super::{
    auth::{ServersReader, ServersWriter},
    body::Json,
    error::{ApiError, ApiResult},
    router::AppState,
};
use api::transfer::{ImportPlan, ImportRequest};
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde::Deserialize;
use service::ExportFormat;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// `yaml` or `json`; `yaml` when absent.
    format: Option<String>,
}

/// Every server without its secrets, as a file.
#[utoipa::path(
    get, path = "/api/experimental/mcp/export", tag = "servers",
    params(ExportQuery),
    responses(
        (status = 200, description = "The document, to be saved and imported elsewhere", content(
            (String = "application/yaml"),
            (serde_json::Value = "application/json"),
        )),
        (status = 403),
    ),
)]
pub(crate) async fn export(
    State(state): State<AppState>,
    ServersReader(ctx): ServersReader,
    Query(query): Query<ExportQuery>,
) -> ApiResult<Response> {
    let format = ExportFormat::parse(query.format.as_deref().unwrap_or("yaml"))
        .ok_or_else(|| ApiError::invalid("format", "Use `yaml` or `json`."))?;
    let document = state.service.server_export(&ctx, format).await?;
    let (kind, file) = match format {
        ExportFormat::Yaml => ("application/yaml", "attachment; filename=\"patchbay-servers.yaml\""),
        ExportFormat::Json => ("application/json", "attachment; filename=\"patchbay-servers.json\""),
    };
    let mut response = document.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(file));
    Ok(response)
}

/// Shows what a document of servers would do; with `apply` and the hash of the plan that was seen, does it.
#[utoipa::path(
    post, path = "/api/experimental/mcp/import", tag = "servers",
    request_body = ImportRequest,
    responses((status = 200, body = ImportPlan), (status = 403), (status = 412)),
)]
pub(crate) async fn import(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Json(request): Json<ImportRequest>,
) -> ApiResult<axum::Json<ImportPlan>> {
    Ok(axum::Json(state.service.server_import(&ctx, request).await?))
}
