//! Login, set-up and logout as plain HTML forms: they work without wasm. Success redirects, failure renders the page again with
//! what was typed (never a password) and the reason at its field.

use super::{auth::Ctx, error::ApiError, oauth_pages::onward_page, router::AppState, ui};
use api::users::{FirstUserCreate, LoginRequest};
use app::{
    error::{UiError, UiErrorKind},
    forms::FormState,
};
use axum::{
    Form,
    extract::{Request, State},
    response::{IntoResponse, Redirect, Response},
};
use domain::redirect::safe_return_to;
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use std::collections::BTreeMap;

/// What the browser sent, in its own words.
pub(crate) type Fields = BTreeMap<String, String>;

fn field(fields: &Fields, name: &str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

fn signed_in(state: &AppState, token: &str, to: &str) -> Response {
    // Beyond our pages lie redirects to providers, and browsers hold a form to `form-action 'self'` through every redirect: there the
    // form ends with a page, and the way goes on from that.
    let mut response =
        if to.starts_with("/api/") { onward_page(state, to) } else { Redirect::to(to).into_response() };
    if let Ok(cookie) = HeaderValue::from_str(&state.cookie.set(token)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

async fn again(
    state: AppState,
    ctx: Ctx,
    path: &'static str,
    fields: Fields,
    error: service::Error,
) -> Response {
    let error = ApiError::from(error);
    let kind = if error.status == StatusCode::BAD_REQUEST {
        UiErrorKind::Invalid
    } else {
        ui::kind_of(error.status)
    };
    let form = FormState::refused(fields, UiError { kind, body: *error.body });
    let mut request = Request::new(axum::body::Body::empty());
    *request.uri_mut() = http::Uri::from_static(path);
    let mut response = ui::render(state, ctx, request, form).await;
    *response.status_mut() = error.status;
    response
}

pub(crate) async fn login(State(state): State<AppState>, ctx: Ctx, Form(fields): Form<Fields>) -> Response {
    let request = LoginRequest { email: field(&fields, "email"), password: field(&fields, "password") };
    match state.service.session_login(&ctx.0.request, request).await {
        Ok((_, token)) => signed_in(&state, &token, &safe_return_to(&field(&fields, "return_to"))),
        Err(error) => again(state, ctx, "/login", fields, error).await,
    }
}

pub(crate) async fn setup(State(state): State<AppState>, ctx: Ctx, Form(fields): Form<Fields>) -> Response {
    let request = FirstUserCreate {
        email: field(&fields, "email"),
        username: field(&fields, "username"),
        name: field(&fields, "name"),
        password: field(&fields, "password"),
        setup_token: field(&fields, "setup_token"),
    };
    if let Err(error) = state.service.first_user_create(&ctx.0, request).await {
        return again(state, ctx, "/setup", fields, error).await;
    }
    let login = LoginRequest { email: field(&fields, "email"), password: field(&fields, "password") };
    match state.service.session_login(&ctx.0.request, login).await {
        Ok((_, token)) => signed_in(&state, &token, "/admin/servers"),
        Err(_) => Redirect::to("/login").into_response(),
    }
}

pub(crate) async fn logout(State(state): State<AppState>, Ctx(ctx): Ctx) -> Response {
    if let Err(error) = state.service.session_logout(&ctx).await
        && !matches!(error, service::Error::Unauthorized)
    {
        return ApiError::from(error).into_response();
    }
    let mut response = Redirect::to("/login").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&state.cookie.clear()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
