//! Accounts, sessions, tokens (behaviour 30).

use super::{
    auth::{Ctx, SignedIn, UsersManager},
    body::Json,
    error::ApiResult,
    paging::{answer, next_link},
    router::AppState,
};
use api::{
    ErrorBody, PageQuery, Uuid,
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
#[utoipa::path(
    get, path = "/api/v2/users/first", tag = "users",
    responses((status = 200, description = "The first owner exists.", body = ErrorBody), (status = 404, description = "No user exists yet.")),
    security(()),
)]
pub(crate) async fn first_exists(State(state): State<AppState>) -> ApiResult<Response> {
    if state.service.users_exist().await? {
        return Ok(axum::Json(ErrorBody::message("The first owner exists.")).into_response());
    }
    Ok((StatusCode::NOT_FOUND, axum::Json(ErrorBody::message("No user exists yet."))).into_response())
}

/// Makes the first owner, with the setup token from the log.
#[utoipa::path(
    post, path = "/api/v2/users/first", tag = "users",
    request_body = FirstUserCreate,
    responses((status = 201, body = User), (status = 403), (status = 409), (status = 429)),
    security(()),
)]
pub(crate) async fn first_create(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Json(request): Json<FirstUserCreate>,
) -> ApiResult<(StatusCode, axum::Json<User>)> {
    let user = state.service.first_user_create(&ctx, request).await?;
    Ok((StatusCode::CREATED, axum::Json(user)))
}

/// Answers the token in the body, for API clients; the cookie belongs to the login page.
#[utoipa::path(
    post, path = "/api/v2/users/login", tag = "users",
    request_body = LoginRequest,
    responses((status = 201, body = LoginResponse), (status = 401, description = "Email or password is wrong: one text for all causes."), (status = 429)),
    security(()),
)]
pub(crate) async fn login(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Json(request): Json<LoginRequest>,
) -> ApiResult<(StatusCode, axum::Json<LoginResponse>)> {
    let (_, session_token) = state.service.session_login(&ctx.request, request).await?;
    Ok((StatusCode::CREATED, axum::Json(LoginResponse { session_token })))
}

/// Ends the session or removes the token that was sent.
#[utoipa::path(
    post, path = "/api/v2/users/logout", tag = "users",
    responses((status = 200, body = ErrorBody)),
)]
pub(crate) async fn logout(State(state): State<AppState>, Ctx(ctx): Ctx) -> ApiResult<Response> {
    state.service.session_logout(&ctx).await?;
    Ok((StatusCode::OK, [(SET_COOKIE, state.cookie.clear())], axum::Json(ErrorBody::message("Logged out.")))
        .into_response())
}

/// Lists accounts by username, in pages.
#[utoipa::path(
    get, path = "/api/v2/users", tag = "users",
    params(PageQuery),
    responses((status = 200, body = Vec<User>, headers(("Link" = Option<String>, description = "The next page, `rel=\"next\"`"))), (status = 403)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Response> {
    let page = state.service.user_list(&ctx, &query).await?;
    let next = next_link("/api/v2/users", &query, page.next.as_deref());
    Ok(answer(page.rows, next))
}

/// Makes an account.
#[utoipa::path(
    post, path = "/api/v2/users", tag = "users",
    request_body = UserCreate,
    responses((status = 201, body = User), (status = 403), (status = 409)),
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Json(request): Json<UserCreate>,
) -> ApiResult<(StatusCode, axum::Json<User>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.user_create(&ctx, request).await?)))
}

/// One account; `me` is the caller.
#[utoipa::path(
    get, path = "/api/v2/users/{user}", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    responses((status = 200, body = User), (status = 403), (status = 404)),
)]
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
) -> ApiResult<axum::Json<User>> {
    Ok(axum::Json(state.service.user_get(&ctx, &user).await?))
}

/// Changes an account: omitted fields are kept.
#[utoipa::path(
    patch, path = "/api/v2/users/{user}", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    request_body = UserUpdate,
    responses((status = 200, body = User), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn update(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<UserUpdate>,
) -> ApiResult<axum::Json<User>> {
    Ok(axum::Json(state.service.user_update(&ctx, &user, request).await?))
}

/// Deletes an account with its chats, sessions and tokens.
#[utoipa::path(
    delete, path = "/api/v2/users/{user}", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    responses((status = 204), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    UsersManager(ctx): UsersManager,
    Path(user): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.user_delete(&ctx, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a password and ends every other session of the account.
#[utoipa::path(
    put, path = "/api/v2/users/{user}/password", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    request_body = PasswordChange,
    responses((status = 204), (status = 403), (status = 404), (status = 429)),
)]
pub(crate) async fn password(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<PasswordChange>,
) -> ApiResult<StatusCode> {
    state.service.password_change(&ctx, &user, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists API tokens, never their text.
#[utoipa::path(
    get, path = "/api/v2/users/{user}/keys/tokens", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    responses((status = 200, body = Vec<Token>), (status = 403), (status = 404)),
)]
pub(crate) async fn token_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
) -> ApiResult<axum::Json<Vec<Token>>> {
    Ok(axum::Json(state.service.token_list(&ctx, &user).await?))
}

/// Makes an API token; its text is shown this once.
#[utoipa::path(
    post, path = "/api/v2/users/{user}/keys/tokens", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`")),
    request_body = TokenCreate,
    responses((status = 201, body = TokenCreated), (status = 403), (status = 404), (status = 409)),
)]
pub(crate) async fn token_create(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(user): Path<String>,
    Json(request): Json<TokenCreate>,
) -> ApiResult<(StatusCode, axum::Json<TokenCreated>)> {
    Ok((StatusCode::CREATED, axum::Json(state.service.token_create(&ctx, &user, request).await?)))
}

/// Removes an API token.
#[utoipa::path(
    delete, path = "/api/v2/users/{user}/keys/{id}", tag = "users",
    params(("user" = String, Path, description = "A user's id, or `me`"), ("id" = Uuid, Path, description = "The token")),
    responses((status = 204), (status = 403), (status = 404)),
)]
pub(crate) async fn token_delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((user, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    state.service.token_delete(&ctx, &user, super::router::parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists own web sessions.
#[utoipa::path(
    get, path = "/api/v2/users/me/sessions", tag = "users",
    responses((status = 200, body = Vec<Session>)),
)]
pub(crate) async fn session_list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<Vec<Session>>> {
    Ok(axum::Json(state.service.session_list(&ctx).await?))
}

/// Ends one of the own web sessions.
#[utoipa::path(
    delete, path = "/api/v2/users/me/sessions/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "The session")),
    responses((status = 204), (status = 404)),
)]
pub(crate) async fn session_delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: Uuid = super::router::parse_id("id", &id)?;
    state.service.session_delete(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
