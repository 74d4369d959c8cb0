//! `/api/experimental/mcp/servers/{id}/oauth2`: off to the provider, back from it, and our client document (behaviour 4 and 9).

use super::{
    auth::{Ctx, ServersWriter},
    body::OptionalJson,
    error::{ApiError, ApiResult},
    oauth_pages::{connected_page, refused_page},
    router::{AppState, parse_id},
};
use api::{
    ErrorBody,
    oauth::{DiscoverRequest, Discovery},
};
use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY},
};
use service::{CallbackQuery, CallbackRefused};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Begins a sign-in: sends the browser to the provider. Only for whole pages: never inside a frame, nor behind a page's back.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/oauth2/connect", tag = "connections",
    params(
        ("id" = Uuid, Path, description = "The server"),
        ("return_to" = Option<String>, Query, description = "A path of this deployment to come back to where there is no window to close"),
    ),
    responses(
        (status = 307, description = "To the provider"),
        (status = 303, description = "A browser that is not signed in: to the login page and back"),
        (status = 400, description = "Not enabled, not `oauth2`, or not set up; a page for browsers", content((ErrorBody = "application/json"), (String = "text/html"))),
        (status = 403, description = "Not a whole page"),
        (status = 404, description = "Unknown, or concealed from the caller; a page for browsers", content((ErrorBody = "application/json"), (String = "text/html"))),
    ),
)]
pub(crate) async fn connect(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    uri: Uri,
) -> ApiResult<Response> {
    let id = parse_id("id", &id)?;
    if !is_navigation(&headers) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "Open this address as a page of its own; it does not work inside another page.",
        ));
    }
    if ctx.caller.is_none() && wants_page(&headers) {
        let mut to = String::from("/login?return_to=");
        to.extend(form_urlencoded::byte_serialize(
            uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes(),
        ));
        return Ok(Redirect::to(&to).into_response());
    }
    let return_to = parameters(query.as_deref()).into_iter().find(|(name, _)| name == "return_to");
    let begun =
        state.service.oauth_connect(&ctx, id, return_to.as_ref().map(|(_, path)| path.as_str())).await;
    match begun {
        Ok(location) => {
            let location = HeaderValue::try_from(location).map_err(|_| {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "The stored authorization URL cannot be used. An admin has to mend it.",
                )
            })?;
            let headers = [
                (LOCATION, location),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
                // The window that opened this one must find it again.
                (OPENER_POLICY, HeaderValue::from_static("unsafe-none")),
            ];
            Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
        }
        Err(error) if wants_page(&headers) => {
            let error = ApiError::from(error);
            let refused = CallbackRefused {
                status: error.status.as_u16(),
                title: "This server cannot be connected",
                text: error.body.message,
                may_retry: false,
                display_name: String::new(),
                return_to: String::new(),
            };
            Ok(refused_page(&state, id, &refused))
        }
        Err(error) => Err(error.into()),
    }
}

/// The way back from the provider; the answer is a page for people whatever happens.
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/oauth2/callback", tag = "connections",
    params(
        ("id" = Uuid, Path, description = "The server"),
        ("state" = Option<String>, Query, description = "From the sign-in that was begun"),
        ("code" = Option<String>, Query, description = "From the provider"),
        ("iss" = Option<String>, Query, description = "The provider's identifier (RFC 9207)"),
        ("error" = Option<String>, Query, description = "From the provider"),
    ),
    responses(
        (status = 200, description = "Connected", content_type = "text/html", body = String),
        (status = 400, description = "Expired, used already, refused, or changed meanwhile", content_type = "text/html", body = String),
        (status = 401, description = "Not signed in", content_type = "text/html", body = String),
        (status = 403, description = "Begun by somebody else or in another session", content_type = "text/html", body = String),
        (status = 404, description = "No such server", content_type = "text/html", body = String),
        (status = 502, description = "The provider did not answer as it should", content_type = "text/html", body = String),
        (status = 503, description = "The database is unavailable", content_type = "text/html", body = String),
    ),
)]
pub(crate) async fn callback(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    // Nobody learns of an address before they are signed in, not even that it is none.
    let id = parse_id("id", &id).unwrap_or_else(|_| api::Uuid::nil());
    match state.service.oauth_callback(&ctx, id, callback_query(query.as_deref())).await {
        Ok(connected) => connected_page(&state, &connected),
        Err(refused) => refused_page(&state, id, &refused),
    }
}

/// The document by whose address providers know us (Client ID Metadata Document).
#[utoipa::path(
    get, path = "/api/experimental/mcp/servers/{id}/oauth2/client-metadata.json", tag = "connections",
    params(("id" = Uuid, Path, description = "The server")),
    security(()),
    responses((status = 200, description = "The client document", body = serde_json::Value), (status = 404)),
)]
pub(crate) async fn client_document(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let document = state.service.client_document(parse_id("id", &id)?).await?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    Ok((headers, document.to_string()).into_response())
}

/// Asks who issues tokens for the server, and says what would change; with `apply` it is stored.
#[utoipa::path(
    post, path = "/api/experimental/mcp/servers/{id}/discover", tag = "servers",
    params(("id" = Uuid, Path, description = "The server")),
    request_body(content = DiscoverRequest, description = "May be left out: then nothing is stored"),
    responses(
        (status = 200, body = Discovery),
        (status = 400, description = "Nothing usable was found; `candidates` has everything that was asked"),
        (status = 403), (status = 404), (status = 409), (status = 429),
    ),
)]
pub(crate) async fn discover(
    State(state): State<AppState>,
    ServersWriter(ctx): ServersWriter,
    Path(id): Path<String>,
    OptionalJson(request): OptionalJson<DiscoverRequest>,
) -> ApiResult<axum::Json<Discovery>> {
    Ok(axum::Json(state.service.server_discover(&ctx, parse_id("id", &id)?, request).await?))
}

/// Browsers say what a request is for; other clients say nothing and are let through.
fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name: &str, wanted: &str| {
        headers.get(name).is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    says("sec-fetch-dest", "document") && says("sec-fetch-mode", "navigate")
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn parameters(query: Option<&str>) -> Vec<(String, String)> {
    let parsed = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parsed.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// What was sent twice was not sent by a provider (RFC 6749, 3.1): then there is no state, and nothing happens.
fn callback_query(query: Option<&str>) -> CallbackQuery {
    let mut found = CallbackQuery::default();
    let given = parameters(query);
    for (name, value) in &given {
        if given.iter().filter(|(other, _)| other == name).count() > 1
            && ["state", "code", "iss", "error", "error_description"].contains(&name.as_str())
        {
            return CallbackQuery::default();
        }
        match name.as_str() {
            "state" => found.state.clone_from(value),
            "code" => found.code.clone_from(value),
            "iss" => found.iss = Some(value.clone()),
            "error" => found.error.clone_from(value),
            "error_description" => found.error_description.clone_from(value),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_counts_as_nothing() {
        let one = callback_query(Some("state=a&code=b%2Bc&iss=https%3A%2F%2Fx&foo=1&foo=2"));
        assert_eq!(
            (one.state.as_str(), one.code.as_str(), one.iss.as_deref()),
            ("a", "b+c", Some("https://x"))
        );
        for twice in ["state=a&state=a", "state=a&code=b&code=c", "state=a&iss=x&iss=x"] {
            assert!(callback_query(Some(twice)).state.is_empty(), "{twice}");
        }
    }

    #[test]
    fn only_whole_pages_begin_a_sign_in() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_navigation(&headers)
        };
        assert!(with(&[]), "a client that is no browser");
        assert!(with(&[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")]));
        for foreign in [
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-dest", "image"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-mode", "cors"),
        ] {
            assert!(!with(&[foreign]), "{foreign:?}");
        }
    }
}
