//! Every route in one place.

use super::{
    actions, audit, auth, body::MAX_JSON, chat_context, chat_search, chat_settings, chats, connections,
    cookies::SessionCookie, csrf, error::ApiError, explain, files, fleet, forms, groups, headers, health,
    keys, models, oauth, openapi, request_id, servers, settings, stream, stream::StreamCounter, tool_results,
    tools, transfer, ui, users, workspaces,
};
use crate::assets;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use domain::clock::{Clock, Entropy};
use http::StatusCode;
use service::Service;
use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

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
    /// False while another replica writes with an encryption key that this one lacks.
    pub(crate) keys_readable: Arc<AtomicBool>,
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
            keys_readable: Arc::new(AtomicBool::new(true)),
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

pub(crate) async fn unknown_route() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "There is no such address in this API.")
}

/// axum's own refusals (wrong method, bad query) in our envelope.
async fn envelope(response: Response) -> Response {
    let kind = response.headers().get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    // Ours already: the envelope, or a page for people.
    let ours =
        kind.is_some_and(|kind| kind.starts_with(b"application/json") || kind.starts_with(b"text/html"));
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED if !ours => {
            let allow = response.headers().get(http::header::ALLOW).cloned();
            let mut answer =
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.")
                    .into_response();
            if let Some(allow) = allow {
                answer.headers_mut().insert(http::header::ALLOW, allow);
            }
            answer
        }
        StatusCode::BAD_REQUEST if !ours => {
            ApiError::new(StatusCode::BAD_REQUEST, "A parameter in the address is not valid.").into_response()
        }
        _ => response,
    }
}

fn servers_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(servers::list, servers::create))
        .routes(routes!(servers::get, servers::update, servers::delete))
        .routes(routes!(servers::check))
        .routes(routes!(tools::list))
        .routes(routes!(tools::accept))
        .routes(routes!(tools::call))
        .routes(routes!(fleet::fleet))
        .merge(connections_api())
}

fn transfer_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(transfer::export)).routes(routes!(transfer::import))
}

/// Who is connected to a server, and how they connect and disconnect.
fn connections_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(connections::headers_set, connections::headers_remove))
        .routes(routes!(oauth::connect))
        .routes(routes!(oauth::callback))
        .routes(routes!(oauth::client_document))
        .routes(routes!(oauth::discover))
        .routes(routes!(connections::disconnect))
        .routes(routes!(connections::list, connections::remove_all))
        .routes(routes!(connections::remove))
}

fn chats_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(chats::list, chats::create))
        .routes(routes!(chat_search::search))
        .routes(routes!(chats::get, chats::update, chats::delete))
        .routes(routes!(files::upload))
        .routes(routes!(files::download))
        .routes(routes!(chats::messages, chats::send))
        .routes(routes!(chats::edit))
        .routes(routes!(chats::interrupt))
        .routes(routes!(chat_context::compact))
        .routes(routes!(chat_context::clear))
        .routes(routes!(chat_context::title_regenerate))
        .routes(routes!(chat_settings::own_get, chat_settings::own_put))
        .routes(routes!(chat_settings::setting_get, chat_settings::setting_put))
        .routes(routes!(chats::queue_remove))
        .routes(routes!(chats::queue_promote))
        .routes(routes!(actions::approval_decide))
        .routes(routes!(actions::elicitation_answer))
        .routes(routes!(actions::tool_results_submit))
        .routes(routes!(tool_results::tool_result))
        .routes(routes!(stream::watch))
        .routes(routes!(stream::follow))
}

fn users_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(users::first_exists, users::first_create))
        .routes(routes!(users::login))
        .routes(routes!(users::logout))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::session_list))
        .routes(routes!(users::session_delete))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(users::password))
        .routes(routes!(users::token_list, users::token_create))
        .routes(routes!(users::token_delete))
}

fn models_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(models::provider_list, models::provider_create))
        .routes(routes!(models::provider_update, models::provider_delete))
        .routes(routes!(models::model_list, models::model_create))
        .routes(routes!(models::model_update, models::model_delete))
}

/// Every route of the API that asks who is calling. A route gets here by `routes!` alone, which wants its description.
fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(servers_api())
        .routes(routes!(explain::explain))
        .merge(transfer_api())
        .merge(chats_api())
        .merge(users_api())
        .merge(models_api())
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::get, groups::update, groups::delete))
        .routes(routes!(settings::egress_allow_get, settings::egress_allow_put))
        .routes(routes!(workspaces::switch_get, workspaces::switch_put))
        .routes(routes!(workspaces::list, workspaces::create))
        .routes(routes!(workspaces::get, workspaces::update, workspaces::delete))
        .routes(routes!(audit::list))
        .routes(routes!(keys::list))
        .routes(routes!(health::build_info))
        .routes(routes!(openapi::document))
        .routes(routes!(openapi::page))
}

/// Routes that ask nobody and need no database to answer.
fn probes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health::alive)).routes(routes!(health::ready))
}

/// The description of everything above.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let base = OpenApiRouter::with_openapi(openapi::Base::openapi());
    openapi::complete(base.merge(api()).merge(probes()).into_openapi())
}

/// Further spellings of described addresses: clients of the reference write the collections with and without the slash.
fn aliases() -> Router<AppState> {
    Router::new()
        .route("/api/experimental/mcp/servers/", get(servers::list).post(servers::create))
        .route("/api/experimental/chats/", get(chats::list).post(chats::create))
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
    let api = Router::from(api())
        .merge(aliases())
        .route("/api/docs/{file}", get(openapi::file))
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
        .merge(Router::from(probes()))
        .merge(assets::router())
        .merge(behind_auth)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .layer(from_fn_with_state(state.clone(), request_id::assign))
        .with_state(state)
}
