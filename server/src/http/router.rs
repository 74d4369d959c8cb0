//! Every route in one place.

use super::{
    auth, body::MAX_JSON, chats, cookies::SessionCookie, csrf, error::ApiError, forms, headers, health,
    models, request_id, servers, stream, stream::StreamCounter, transfer, ui, users,
};
use crate::assets;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{any, delete, get, patch, post, put},
};
use domain::clock::{Clock, Entropy};
use http::StatusCode;
use service::Service;
use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};
use tower_http::catch_panic::CatchPanicLayer;

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(crate) service: Service,
    pub(crate) cookie: SessionCookie,
    /// `scheme://host[:port]` of the access URL, as browsers write it in `Origin`.
    pub(crate) origin: Arc<str>,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) streams: StreamCounter,
}

impl AppState {
    pub fn new(
        service: Service,
        trusted_proxies: Vec<IpAddr>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        draining: Arc<AtomicBool>,
    ) -> Self {
        let url = service.access_url();
        Self {
            cookie: SessionCookie::for_access_url(url),
            origin: url.origin().ascii_serialization().into(),
            trusted_proxies: trusted_proxies.into(),
            clock,
            entropy,
            draining,
            streams: StreamCounter::default(),
            service,
        }
    }
}

/// Reads a uuid from the path or the query.
pub(crate) fn parse_id(field: &str, text: &str) -> Result<api::Uuid, ApiError> {
    // Only the canonical form: the parser would also take braces and URNs.
    if text.len() == 36
        && let Ok(id) = text.parse()
    {
        return Ok(id);
    }
    Err(ApiError::invalid(field, "is not a uuid"))
}

async fn unknown_route() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "There is no such address in this API.")
}

/// axum's own refusals (wrong method, bad query) in our envelope.
async fn envelope(response: Response) -> Response {
    let json = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/json"));
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED if !json => {
            let allow = response.headers().get(http::header::ALLOW).cloned();
            let mut answer =
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.")
                    .into_response();
            if let Some(allow) = allow {
                answer.headers_mut().insert(http::header::ALLOW, allow);
            }
            answer
        }
        StatusCode::BAD_REQUEST if !json => {
            ApiError::new(StatusCode::BAD_REQUEST, "A parameter in the address is not valid.").into_response()
        }
        _ => response,
    }
}

const SERVERS: &str = "/api/experimental/mcp/servers";
const CHATS: &str = "/api/experimental/chats";

fn servers_api() -> Router<AppState> {
    let collection = get(servers::list).post(servers::create);
    Router::new()
        // Clients of the reference write the collection with and without the slash.
        .route(SERVERS, collection.clone())
        .route(&format!("{SERVERS}/"), collection)
        .route(&format!("{SERVERS}/{{id}}"), get(servers::get).patch(servers::update).delete(servers::delete))
        .route(&format!("{SERVERS}/{{id}}/check"), post(servers::check))
}

fn transfer_api() -> Router<AppState> {
    Router::new()
        .route("/api/experimental/mcp/export", get(transfer::export))
        .route("/api/experimental/mcp/import", post(transfer::import))
}

fn chats_api() -> Router<AppState> {
    let collection = get(chats::list).post(chats::create);
    Router::new()
        .route(CHATS, collection.clone())
        .route(&format!("{CHATS}/"), collection)
        .route(&format!("{CHATS}/{{id}}"), get(chats::get).patch(chats::update).delete(chats::delete))
        .route(&format!("{CHATS}/{{id}}/messages"), get(chats::messages).post(chats::send))
        .route(&format!("{CHATS}/{{id}}/messages/{{message}}"), patch(chats::edit))
        .route(&format!("{CHATS}/{{id}}/interrupt"), post(chats::interrupt))
        .route(&format!("{CHATS}/{{id}}/stream"), get(stream::follow))
}

fn v2_api() -> Router<AppState> {
    Router::new()
        .route("/buildinfo", get(health::build_info))
        .route("/users/first", get(users::first_exists).post(users::first_create))
        .route("/users/login", post(users::login))
        .route("/users/logout", post(users::logout))
        .route("/users", get(users::list).post(users::create))
        .route("/users/me/sessions", get(users::session_list))
        .route("/users/me/sessions/{id}", delete(users::session_delete))
        .route("/users/{user}", get(users::get).patch(users::update).delete(users::delete))
        .route("/users/{user}/password", put(users::password))
        .route("/users/{user}/keys/tokens", get(users::token_list).post(users::token_create))
        .route("/users/{user}/keys/{id}", delete(users::token_delete))
        .route("/providers", get(models::provider_list).post(models::provider_create))
        .route("/providers/{id}", patch(models::provider_update).delete(models::provider_delete))
        .route("/models", get(models::model_list).post(models::model_create))
        .route("/models/{id}", patch(models::model_update).delete(models::model_delete))
}

/// A panic costs one request, never the process (threats 102); the hook has written it to the log.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on the server. Try again.")
        .into_response()
}

/// The whole surface.
pub fn router(state: AppState) -> Router {
    // Pages render on tokio; a second router in one process finds it set.
    let _ = any_spawner::Executor::init_tokio();
    let api = Router::new()
        .merge(servers_api())
        .merge(transfer_api())
        .merge(chats_api())
        .nest("/api/v2", v2_api())
        .route("/api/{*rest}", any(unknown_route))
        .layer(map_response(envelope));
    let pages = Router::new()
        .route("/login", get(ui::page).post(forms::login))
        .route("/setup", get(ui::page).post(forms::setup))
        .route("/logout", post(forms::logout))
        .route(&format!("{}/{{*name}}", csrf::SERVER_FN_PREFIX), any(ui::server_fn))
        .fallback(get(ui::page));
    let behind_auth = pages
        .merge(api)
        .layer(from_fn_with_state(state.clone(), auth::resolve))
        .layer(from_fn_with_state(state.clone(), csrf::check));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(assets::router())
        .merge(behind_auth)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .layer(from_fn_with_state(state.clone(), request_id::assign))
        .with_state(state)
}
