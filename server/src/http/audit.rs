//! Reading the audit log (behaviour 27): a page as JSON, or everything as NDJSON.

use super::{
    auth::AuditReader,
    error::{ApiError, ApiResult},
    router::AppState,
};
use api::{
    Validation,
    audit::{AuditEntry, AuditOutcome, AuditQuery},
};
use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, LINK},
};
use service::Error;

const PATH: &str = "/api/v2/audit";
const NDJSON: &str = "application/x-ndjson";

/// Entries, newest first; as lines (NDJSON) everything that the filters leave.
#[utoipa::path(
    get, path = "/api/v2/audit", tag = "audit",
    params(
        ("from" = Option<String>, Query, description = "At or after this instant (RFC 3339)"),
        ("to" = Option<String>, Query, description = "Before this instant (RFC 3339)"),
        ("actor" = Option<String>, Query, description = "Id or username"),
        ("action" = Option<String>, Query, description = "An action, or all that begin so: `server.`"),
        ("resource_type" = Option<String>, Query, description = "Such as `mcp_server`"),
        ("resource_id" = Option<String>, Query, description = "The object acted on"),
        ("outcome" = Option<AuditOutcome>, Query, description = "What came of it"),
        ("limit" = Option<u32>, Query, description = "Entries of a page", minimum = 1, maximum = 200),
        ("after" = Option<Uuid>, Query, description = "The last id of the page before"),
        ("format" = Option<String>, Query, description = "`ndjson` streams everything, as `Accept: application/x-ndjson` does"),
    ),
    responses(
        (status = 200, content((Vec<AuditEntry> = "application/json"), (String = "application/x-ndjson")), headers(("Link" = Option<String>, description = "The next page, `rel=\"next\"`"))),
        (status = 403),
        (status = 429),
    ),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    AuditReader(ctx): AuditReader,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let (query, as_ndjson) = read(pairs, &headers)?;
    if as_ndjson {
        let pages = state.service.audit_export(&ctx, &query).await?;
        return Ok(export(pages.map_ok(lines).inspect_err(|error| {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "an export of the audit log was cut short"
            );
        })));
    }
    let page = state.service.audit_list(&ctx, &query).await?;
    let mut response = axum::Json(page.entries).into_response();
    if let Some(next) = page.next {
        let next = AuditQuery { after: next.to_string(), ..query };
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        address.extend_pairs(next.pairs(false));
        if let Ok(link) = HeaderValue::from_str(&format!("<{PATH}?{}>; rel=\"next\"", address.finish())) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

/// The known parameters, each at most once, and whether lines are asked for.
fn read(pairs: Vec<(String, String)>, headers: &HeaderMap) -> Result<(AuditQuery, bool), ApiError> {
    let mut query = AuditQuery::default();
    let mut format = String::new();
    let mut problems = Vec::new();
    for (name, value) in pairs {
        let place = if name == "format" { Some(&mut format) } else { query.field_mut(&name) };
        match place {
            Some(place) if place.is_empty() => *place = value,
            Some(_) => problems.push(Validation::new(name, "Give it once.")),
            None => {}
        }
    }
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let as_ndjson = match format.as_str() {
        "" => accepts
            .flat_map(|line| line.split(','))
            .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(NDJSON))),
        "json" => false,
        "ndjson" => true,
        _ => {
            problems.push(Validation::new("format", "Use `json` or `ndjson`."));
            false
        }
    };
    if problems.is_empty() { Ok((query, as_ndjson)) } else { Err(Error::invalid(problems).into()) }
}

/// One JSON object a line.
fn lines(entries: Vec<AuditEntry>) -> Bytes {
    let mut lines = Vec::new();
    for entry in entries {
        // Text, numbers and ids: nothing in it can fail to be written.
        if serde_json::to_writer(&mut lines, &entry).is_ok() {
            lines.push(b'\n');
        }
    }
    lines.into()
}

fn export(lines: impl futures::Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Response {
    let headers =
        [(CONTENT_TYPE, NDJSON), (CONTENT_DISPOSITION, "attachment; filename=\"patchbay-audit.ndjson\"")];
    (headers, Body::from_stream(lines)).into_response()
}
