//! The glue to Leptos: pages and server functions, each with a [`Backend`] bound to the caller.

use super::{
    auth::Ctx, backend::ServiceBackend, body, error::ApiError, headers::page_policy, router::AppState,
};
use crate::assets;
use app::{
    backend::Backend,
    context::PageContext,
    document::{AssetUrls, shell},
    error::{UiError, UiErrorKind},
    forms::FormState,
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, COOKIE, HOST},
};
use leptos::{nonce::use_nonce, prelude::*, server_fn::axum::server_fn_paths};
use leptos_axum::ResponseOptions;
use std::sync::{Arc, OnceLock, PoisonError};

/// What a page should do about a status.
pub(crate) fn kind_of(status: StatusCode) -> UiErrorKind {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => UiErrorKind::Invalid,
        StatusCode::UNAUTHORIZED => UiErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => UiErrorKind::Forbidden,
        StatusCode::NOT_FOUND => UiErrorKind::NotFound,
        StatusCode::CONFLICT => UiErrorKind::Conflict,
        StatusCode::PRECONDITION_FAILED => UiErrorKind::Stale,
        StatusCode::TOO_MANY_REQUESTS => UiErrorKind::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => UiErrorKind::Unavailable,
        _ => UiErrorKind::Internal,
    }
}

fn backend(state: &AppState, ctx: &Ctx) -> Arc<dyn Backend> {
    Arc::new(ServiceBackend::new(state.service.clone(), ctx.0.clone()))
}

/// Any page. A GET under another Host goes to the access URL, so that `localhost` and `127.0.0.1` do not split a session.
pub(crate) async fn page(State(state): State<AppState>, ctx: Ctx, request: Request) -> Response {
    if let Some(elsewhere) = other_host(&state, &request) {
        return Redirect::temporary(&elsewhere).into_response();
    }
    render(state, ctx, request, FormState::default()).await
}

fn other_host(state: &AppState, request: &Request) -> Option<String> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let ours = state.origin.split_once("://").map(|(_, host)| host)?;
    if host.eq_ignore_ascii_case(ours) {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Some(format!("{}{}", state.origin, path))
}

/// Renders the page of `request`'s path.
pub(crate) async fn render(state: AppState, ctx: Ctx, request: Request, form: FormState) -> Response {
    let backend = backend(&state, &ctx);
    let clock = state.clock.clone();
    let cookies =
        request.headers().get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let page = match PageContext::load(&*backend, Some(&cookies), form).await {
        Ok(page) => page,
        Err(error) => {
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.body.message).into_response();
        }
    };
    let context = move || {
        provide_context(backend.clone());
        provide_context(clock.clone());
        if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
            && let Ok(policy) = HeaderValue::from_str(&page_policy(&nonce))
        {
            response.insert_header(CONTENT_SECURITY_POLICY, policy);
        }
    };
    let urls = AssetUrls {
        js: assets::url("patchbay.js"),
        wasm: assets::url("patchbay.wasm"),
        css: assets::url("patchbay.css"),
    };
    let view = move || shell(urls.clone(), page.clone());
    leptos_axum::render_app_async_with_context(context, view)(request).await.into_response()
}

/// Server functions: public endpoints like any other; the permission check is inside the use case.
pub(crate) async fn server_fn(State(state): State<AppState>, ctx: Ctx, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if !server_fn_paths().any(|(path, _)| path == parts.uri.path()) {
        return refusal(ApiError::new(StatusCode::NOT_FOUND, NOT_UNDERSTOOD));
    }
    // Read here: the library would wait for it without end, and call a body that is too large an error of ours.
    let body = match body::read(Request::from_parts(parts.clone(), body), &state).await {
        Ok(body) => body,
        Err(error) => return refusal(error),
    };
    // The library answers a plain form post with a redirect to any Referer; ours are called by script only.
    parts.headers.remove(http::header::REFERER);
    let backend = backend(&state, &ctx);
    let clock = state.clock.clone();
    let options = Arc::new(OnceLock::<ResponseOptions>::new());
    let noted = options.clone();
    let context = move || {
        provide_context(backend.clone());
        provide_context(clock.clone());
        if let Some(options) = use_context() {
            // Called once for each request.
            let _ = noted.set(options);
        }
    };
    let request = Request::from_parts(parts, Body::from(body));
    let response = leptos_axum::handle_server_fns_with_context(context, request).await.into_response();
    // Every function of ours gives its answer a status; what the library could not read has none, and it calls that 500.
    let answered = options
        .get()
        .is_some_and(|options| options.0.read().unwrap_or_else(PoisonError::into_inner).status.is_some());
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR && !answered {
        return refusal(ApiError::new(StatusCode::BAD_REQUEST, NOT_UNDERSTOOD));
    }
    response
}

/// What a page says whose request is none, which happens to people after an upgrade.
const NOT_UNDERSTOOD: &str = "This request was not understood; the page may be from another version of Patchbay. Reload it and try again.";

/// An error as the browser's half of a server function reads it.
fn refusal(error: ApiError) -> Response {
    let (status, body) = (error.status, *error.body);
    (status, axum::Json(UiError { kind: kind_of(status), body })).into_response()
}
