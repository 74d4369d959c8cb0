//! Accounts, sessions, tokens (behaviour 30).

use super::{
    auth::{Ctx, SignedIn, UsersManager},
    body::Json,
    error::ApiResult,
    paging::{answer, next_link},
    router::AppState,
};
use api::{
    PageQuery, Uuid,
    users::{
        FirstUserCreate, LoginRequest, LoginResponse, PasswordChange, Session, Token, TokenCreate,
        TokenCreated, User, UserCreate, UserUpdate,
    },
};
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::SET_COOKIE};

/// `GET /users/first`: 404 while no user exists.
pub(crate) async fn first_exists(State(state): State<AppState>) -> ApiResult<Response> {
    if state.service.users_exist().await? {
        return Ok(axum::Json(api::ErrorBody::message("The first owner exists.")).into_response());
    }
    Ok((StatusCode::NOT_FOUND, axum::Json(api::ErrorBody::message("No user exists yet."))).into_response())
}

pub(crate) async fn first_create(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Json(request): Json<FirstUserCreate>,
) -> ApiResult<(StatusCode, axum::Json<User>)> {
    let user = state.service.first_user_create(&ctx, request).await?;
    Ok((StatusCode::CREATED, axum::Json(user)))
}

/// Answers the token in the body, for API clients; the cookie belongs to the login page.
pub(crate) async fn login(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Json(request): Json<LoginRequest>,
) -> ApiResult<(StatusCode, axum::Json<LoginResponse>)> {
    let (_, session_token) = state.service.session_login(&ctx.request, request).await?;
    Ok((StatusCode::CREATED, axum::Json(LoginResponse { session_token })))
}

pub(crate) async fn logout(State(state): State<AppState>, Ctx(ctx): Ctx) -> ApiResult<Response> {
    state.service.session_logout(&ctx).await?;
    Ok((
        StatusCode::OK,
        [(SET_COOKIE, state.cookie.clear())],
        axum::Json(api::ErrorBody::message("Logged out.")),
    )
        .into_response())
}

/// Pages with a `Link` to the next; `q` searches.
pub(crate) async fn list(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Response> {
    let page = state.service.user_list(&ctx, &query).await?;
    let next = next_link("/api/v2/users", &query, page.next.as_deref());
    Ok(answer(page.rows, next))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Json(request): Json<UserCreate>,
) -> ApiResult<(StatusCode, axum::Json<User>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.user_create(&ctx, request).await?)))
}

pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
) -> ApiResult<axum::Json<User>> {
    Ok(axum::Json(state.service.user_get(&ctx, &user).await?))
}

pub(crate) async fn update(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<UserUpdate>,
) -> ApiResult<axum::Json<User>> {
    Ok(axum::Json(state.service.user_update(&ctx, &user, request).await?))
}

pub(crate) async fn delete(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Path(user): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.user_delete(&ctx, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn password(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<PasswordChange>,
) -> ApiResult<StatusCode> {
    state.service.password_change(&ctx, &user, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn token_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
) -> ApiResult<axum::Json<Vec<Token>>> {
    Ok(axum::Json(state.service.token_list(&ctx, &user).await?))
}

pub(crate) async fn token_create(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<TokenCreate>,
) -> ApiResult<(StatusCode, axum::Json<TokenCreated>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.token_create(&ctx, &user, request).await?)))
}

pub(crate) async fn token_delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((user, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    state.service.token_delete(&ctx, &user, super::router::parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn session_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Session>>> {
    Ok(axum::Json(state.service.session_list(&ctx).await?))
}

pub(crate) async fn session_delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: Uuid = super::router::parse_id("id", &id)?;
    state.service.session_delete(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
