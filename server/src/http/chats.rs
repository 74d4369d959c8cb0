//! Chats (behaviour 17).

use super::{
    auth::SignedIn,
    body::Json,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::chats::{
    Chat, ChatCreate, ChatCreated, ChatUpdate, MessageCreate, MessageEdit, MessagePage, MessageSent,
};
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use service::ChatListRequest;
use std::time::Duration;
use utoipa::IntoParams;

/// Longest `Prefer: wait`, seconds.
const MAX_WAIT_SECONDS: u64 = 120;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Chats of a page.
    limit: Option<i64>,
    /// The last id of the page before.
    #[param(value_type = Option<Uuid>)]
    after: Option<String>,
    /// The chats that were put away instead of the others.
    #[serde(default)]
    archived: bool,
    /// Only chats with this label: `key`, or `key:value`.
    label: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessagesQuery {
    /// Only messages older than this one.
    before_id: Option<i64>,
    /// Only messages newer than this one.
    after_id: Option<i64>,
    /// Messages of a page.
    limit: Option<i64>,
    /// Text parts carry sanitised `html` beside the text.
    #[serde(default)]
    rendered: bool,
}

/// `Prefer: wait=N` (RFC 7240 section 4.3): how long the caller would like to wait for the turn. An unreadable preference is ignored.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|preference| preference.trim().split(';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}

fn idempotency_key(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > 255 {
        return Err(ApiError::invalid("Idempotency-Key", "Use 1 to 255 visible ASCII characters."));
    }
    Ok(Some(text.to_owned()))
}

fn applied(mut response: Response, wait: Option<Duration>) -> Response {
    if let Some(wait) = wait
        && let Ok(value) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert("preference-applied", value);
    }
    response
}

/// Lists own chats: the pinned ones in their order, then the last changed first.
#[utoipa::path(
    get, path = "/api/experimental/chats", tag = "chats",
    params(ListQuery),
    responses((status = 200, body = Vec<Chat>)),
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(query): Query<ListQuery>,
) -> ApiResult<axum::Json<Vec<Chat>>> {
    let after = query.after.as_deref().map(|text| parse_id("after", text)).transpose()?;
    let request = ChatListRequest { limit: query.limit, after, archived: query.archived, label: query.label };
    Ok(axum::Json(state.service.chat_list(&ctx, &request).await?))
}

/// Begins a chat with its first message.
#[utoipa::path(
    post, path = "/api/experimental/chats", tag = "chats",
    params(("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the turn has ended, after N seconds (up to 120) at the latest"), ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters: the same key gives the same answer instead of a second message")),
    request_body = ChatCreate,
    responses((status = 201, body = ChatCreated, headers(("Preference-Applied" = Option<String>, description = "The wait that was granted"))), (status = 409), (status = 429)),
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    headers: HeaderMap,
    Json(request): Json<ChatCreate>,
) -> ApiResult<Response> {
    let wait = preferred_wait(&headers);
    let mut created = state.service.chat_create(&ctx, request, idempotency_key(&headers)?.as_deref()).await?;
    if let (Some(wait), Some(first)) = (wait, created.messages.first().map(|m| m.id)) {
        let (messages, chat) = state.service.turn_wait(&ctx, created.chat.id, first, wait).await?;
        created.messages = messages;
        created.chat = chat;
    }
    Ok(applied((StatusCode::CREATED, axum::Json(created)).into_response(), wait))
}

/// One chat.
#[utoipa::path(
    get, path = "/api/experimental/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, body = Chat), (status = 404)),
)]
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.chat_get(&ctx, parse_id("id", &id)?).await?))
}

/// Changes a chat's title, labels or place in the list; puts it away or takes it back.
#[utoipa::path(
    patch, path = "/api/experimental/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    request_body = ChatUpdate,
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn update(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Json(request): Json<ChatUpdate>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.chat_update(&ctx, parse_id("id", &id)?, request).await?))
}

/// Deletes a chat with its messages.
#[utoipa::path(
    delete, path = "/api/experimental/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 204), (status = 404), (status = 409)),
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.service.chat_delete(&ctx, parse_id("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Committed messages, a page at a time.
#[utoipa::path(
    get, path = "/api/experimental/chats/{id}/messages", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), MessagesQuery),
    responses((status = 200, body = MessagePage), (status = 404)),
)]
pub(crate) async fn messages(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<MessagesQuery>,
) -> ApiResult<axum::Json<MessagePage>> {
    let id = parse_id("id", &id)?;
    let page = state
        .service
        .message_page(&ctx, id, query.before_id, query.after_id, query.limit, query.rendered)
        .await?;
    Ok(axum::Json(page))
}

/// Sends a message and begins a turn, or lets it wait for the one that runs.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/messages", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the turn has ended, after N seconds (up to 120) at the latest"), ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters: the same key gives the same answer instead of a second message")),
    request_body = MessageCreate,
    responses((status = 201, body = MessageSent, headers(("Preference-Applied" = Option<String>, description = "The wait that was granted"))), (status = 404), (status = 409), (status = 429)),
)]
pub(crate) async fn send(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<MessageCreate>,
) -> ApiResult<Response> {
    let (id, wait) = (parse_id("id", &id)?, preferred_wait(&headers));
    let mut sent =
        state.service.message_send(&ctx, id, request, idempotency_key(&headers)?.as_deref()).await?;
    if let Some(wait) = wait {
        let (messages, chat) = match (&sent.message, &sent.queued_message) {
            (Some(message), _) => state.service.turn_wait(&ctx, id, message.id, wait).await?,
            (None, Some(queued)) => state.service.queued_wait(&ctx, id, queued.id, wait).await?,
            (None, None) => (Vec::new(), state.service.chat_get(&ctx, id).await?),
        };
        sent.messages = messages;
        sent.status = chat.status;
    }
    Ok(applied((StatusCode::CREATED, axum::Json(sent)).into_response(), wait))
}

/// Edits a user message, or runs it again, and drops what came after it.
#[utoipa::path(
    patch, path = "/api/experimental/chats/{id}/messages/{message}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("message" = i64, Path, description = "A message of the user")),
    request_body = MessageEdit,
    responses((status = 200, body = MessageSent), (status = 404), (status = 409)),
)]
pub(crate) async fn edit(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, message)): Path<(String, String)>,
    Json(request): Json<MessageEdit>,
) -> ApiResult<Response> {
    let message = message.parse().map_err(|_| ApiError::invalid("message", "is not a message id"))?;
    let sent = state.service.message_edit(&ctx, parse_id("id", &id)?, message, request).await?;
    Ok(axum::Json(sent).into_response())
}

/// Stops the running turn; what had arrived is kept.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/interrupt", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn interrupt(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.chat_interrupt(&ctx, parse_id("id", &id)?).await?))
}

/// Takes back a message that waits.
#[utoipa::path(
    delete, path = "/api/experimental/chats/{id}/queue/{queued}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("queued" = i64, Path, description = "A message that waits")),
    responses((status = 204), (status = 404), (status = 409)),
)]
pub(crate) async fn queue_remove(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, queued)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    state.service.queue_remove(&ctx, parse_id("id", &id)?, queued_id(&queued)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a waiting message the next one: the running turn is stopped for it, and in a chat whose last turn failed it begins one.
#[utoipa::path(
    post, path = "/api/experimental/chats/{id}/queue/{queued}/promote", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("queued" = i64, Path, description = "A message that waits")),
    responses((status = 200, body = Chat), (status = 404), (status = 409)),
)]
pub(crate) async fn queue_promote(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, queued)): Path<(String, String)>,
) -> ApiResult<axum::Json<Chat>> {
    Ok(axum::Json(state.service.queue_promote(&ctx, parse_id("id", &id)?, queued_id(&queued)?).await?))
}

fn queued_id(text: &str) -> ApiResult<i64> {
    text.parse().map_err(|_| ApiError::invalid("queued", "is not the id of a waiting message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_and_bounded() {
        for (header, seconds) in [
            ("wait=30", Some(30)),
            ("respond-async, wait=5", Some(5)),
            ("wait=999", Some(120)),
            ("wait=\"7\"", Some(7)),
            ("wait=x", None),
            ("a=1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", header.parse().unwrap());
            assert_eq!(preferred_wait(&headers).map(|wait| wait.as_secs()), seconds, "{header}");
        }
    }
}
