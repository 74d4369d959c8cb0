//! Messages (behaviour 17 and 20).

use crate::{
    Micros, Result, Session, StoreError, Write, search::contains_exactly, written_json::WrittenJson,
};
use api::{
    Timestamp, Uuid,
    check::ServerOutcome,
    messages::{ChatMessage, MessageRole, Part, ToolResultPart, Usage},
};
use serde_json::Value;
use sqlx::types::Json;

/// A message to be stored. The database gives the id.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub chat_id: Uuid,
    pub role: MessageRole,
    pub content: Vec<Part>,
    pub model_config_id: Option<Uuid>,
    pub usage: Option<Usage>,
    pub interrupted: bool,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: i64,
    chat_id: Uuid,
    role: String,
    content: Json<Vec<Part>>,
    model_config_id: Option<Uuid>,
    usage: Option<Json<Usage>>,
    interrupted: bool,
    revision: i64,
    created_at: Micros,
    mcp_status: Option<Json<Vec<ServerOutcome>>>,
}

const COLUMNS: &str =
    "id, chat_id, role, content, model_config_id, usage, interrupted, revision, created_at, mcp_status";

impl TryFrom<MessageRow> for ChatMessage {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self> {
        let role = match row.role.as_str() {
            "system" => MessageRole::System,
            "user" => MessageRole::User,
            "assistant" => MessageRole::Assistant,
            "tool" => MessageRole::Tool,
            _ => {
                return Err(StoreError::Inconsistent {
                    table: "messages",
                    column: "role",
                    row: row.id.to_string(),
                });
            }
        };
        Ok(Self {
            id: row.id,
            chat_id: row.chat_id,
            role,
            content: row.content.0,
            created_at: row.created_at.into(),
            revision: row.revision,
            model_config_id: row.model_config_id,
            usage: row.usage.map(|usage| usage.0),
            interrupted: row.interrupted,
            mcp_status: row.mcp_status.map(|outcomes| outcomes.0),
        })
    }
}

/// Stores a message and returns it as it will be read. Call it after the transition of the chat (see [`crate::chats`]).
///
/// # Errors
/// A conflict on an unknown chat.
pub async fn message_insert(write: &mut Write, message: NewMessage) -> Result<ChatMessage> {
    let sql = "INSERT INTO messages (chat_id, role, content, model_config_id, usage, interrupted, hidden, revision, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, FALSE, 1, $7) RETURNING id";
    let content = storable_parts(message.content);
    let (id,): (i64,) = fetch_one!(
        write,
        (i64,),
        sql,
        message.chat_id,
        message.role.as_str(),
        WrittenJson(&content),
        message.model_config_id,
        message.usage.as_ref().map(Json),
        message.interrupted,
        Micros::from(message.created_at),
    )?;
    Ok(ChatMessage {
        id,
        chat_id: message.chat_id,
        role: message.role,
        content,
        created_at: message.created_at,
        revision: 1,
        model_config_id: message.model_config_id,
        usage: message.usage,
        interrupted: message.interrupted,
        mcp_status: None,
    })
}

/// One visible message.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_get(session: &mut Session, chat: Uuid, id: i64) -> Result<Option<ChatMessage>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM messages WHERE chat_id = $1 AND id = $2 AND NOT hidden"
    ));
    fetch_optional!(session, MessageRow, sql, chat, id)?.map(TryInto::try_into).transpose()
}

/// The stored result of a tool call, as the person sees it in the chat; the last one where ids repeat.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tool_result_get(
    session: &mut Session,
    chat: Uuid,
    tool_call_id: &str,
) -> Result<Option<ToolResultPart>> {
    // Finds the message without reading every result of the chat into memory; which part it is, is decided by value.
    let sql = "SELECT content FROM messages WHERE chat_id = $1 AND role = 'tool' AND NOT hidden \
               AND CAST(content AS TEXT) LIKE $2 ESCAPE '!' ORDER BY id DESC LIMIT 4";
    let written = serde_json::Value::from(tool_call_id).to_string();
    let found = fetch_all!(session, (Json<Vec<Part>>,), sql, chat, contains_exactly(&written))?;
    let results =
        found.into_iter().flat_map(|(content,)| content.0.into_iter().rev()).filter_map(|part| match part {
            Part::ToolResult(result) => Some(result),
            _ => None,
        });
    Ok(results.into_iter().find(|result| result.tool_call_id == tool_call_id))
}

/// Which page of a chat's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageRequest {
    pub before_id: Option<i64>,
    pub after_id: Option<i64>,
    pub limit: i64,
}

/// A page of visible messages and whether more follow in its direction. Newest first; ascending if only `after_id` is given
/// (behaviour 17).
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_page(
    session: &mut Session,
    chat: Uuid,
    page: PageRequest,
) -> Result<(Vec<ChatMessage>, bool)> {
    let ascending = page.after_id.is_some() && page.before_id.is_none();
    let order = if ascending { "ASC" } else { "DESC" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM messages WHERE chat_id = $1 AND NOT hidden AND ($2 IS NULL OR id < $2) AND ($3 IS NULL OR id > $3) \
         ORDER BY id {order} LIMIT $4"
    ));
    let limit = page.limit.max(0);
    // One more than asked for tells whether there is more.
    let mut rows: Vec<MessageRow> =
        fetch_all!(session, MessageRow, sql, chat, page.before_id, page.after_id, limit.saturating_add(1))?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let messages = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok((messages, more))
}

/// The newest `limit` visible messages, oldest first: what a turn starts from.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn messages_for_turn(session: &mut Session, chat: Uuid, limit: i64) -> Result<Vec<ChatMessage>> {
    let (mut messages, _) =
        message_page(session, chat, PageRequest { limit, ..PageRequest::default() }).await?;
    messages.reverse();
    Ok(messages)
}

/// The id of the user's next message after `id`: where the turn that `id` began has its end.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_message_after(session: &mut Session, chat: Uuid, id: i64) -> Result<Option<i64>> {
    let sql = "SELECT MIN(id) FROM messages WHERE chat_id = $1 AND id > $2 AND role = 'user' AND NOT hidden";
    let (next,): (Option<i64>,) = fetch_one!(session, (Option<i64>,), sql, chat, id)?;
    Ok(next)
}

/// Visible messages of the user from `from` up to, and without, `before`, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn user_messages_between(
    session: &mut Session,
    chat: Uuid,
    from: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<ChatMessage>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM messages WHERE chat_id = $1 AND id >= $2 AND id < $3 AND role = 'user' AND NOT hidden \
         ORDER BY id LIMIT $4"
    ));
    let rows: Vec<MessageRow> = fetch_all!(session, MessageRow, sql, chat, from, before, limit)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The highest id of a visible message, 0 when there is none.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_last_id(session: &mut Session, chat: Uuid) -> Result<i64> {
    let sql = "SELECT COALESCE(MAX(id), 0) FROM messages WHERE chat_id = $1 AND NOT hidden";
    let (id,): (i64,) = fetch_one!(session, (i64,), sql, chat)?;
    Ok(id)
}

/// Whether there is a visible message between the two: whoever was shown the one has not been shown everything before the other.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_between(session: &mut Session, chat: Uuid, after: i64, before: i64) -> Result<bool> {
    let sql = "SELECT id FROM messages WHERE chat_id = $1 AND id > $2 AND id < $3 AND NOT hidden LIMIT 1";
    Ok(fetch_optional!(session, (i64,), sql, chat, after, before)?.is_some())
}

/// Keeps the connect outcomes of the turn with the user's message that began it. No change of the message: its revision stays.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_servers_set(
    write: &mut Write,
    chat: Uuid,
    id: i64,
    outcomes: &[ServerOutcome],
) -> Result<()> {
    let sql = "UPDATE messages SET mcp_status = $3 WHERE chat_id = $1 AND id = $2 AND role = 'user'";
    execute!(write, sql, chat, id, Json(outcomes)).map(|_| ())
}

/// The connect outcomes of the newest turn, as far as they are committed.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn turn_servers(session: &mut Session, chat: Uuid) -> Result<Option<Vec<ServerOutcome>>> {
    let sql = "SELECT mcp_status FROM messages WHERE chat_id = $1 AND role = 'user' AND NOT hidden ORDER BY id DESC LIMIT 1";
    let found = fetch_optional!(session, (Option<Json<Vec<ServerOutcome>>>,), sql, chat)?;
    Ok(found.and_then(|(outcomes,)| outcomes).map(|outcomes| outcomes.0))
}

/// Replaces the text of a user's message (an edit); the message as it is now, or `None` when there is no such visible message.
/// Outcomes of the turn it began before are forgotten.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn message_replace(
    write: &mut Write,
    chat: Uuid,
    id: i64,
    content: Vec<Part>,
) -> Result<Option<ChatMessage>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE messages SET content = $3, mcp_status = NULL, revision = revision + 1 WHERE chat_id = $1 AND id = $2 AND role = 'user' AND NOT hidden \
         RETURNING {COLUMNS}"
    ));
    let content = storable_parts(content);
    fetch_optional!(write, MessageRow, sql, chat, id, WrittenJson(&content))?
        .map(TryInto::try_into)
        .transpose()
}

/// Hides every message after `id`, and takes away the boundaries of the model's view that lie behind it; how many messages.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn messages_hide_after(write: &mut Write, chat: Uuid, id: i64) -> Result<u64> {
    crate::chats::boundaries_drop_after(write, chat, id).await?;
    let sql = "UPDATE messages SET hidden = TRUE, revision = revision + 1 WHERE chat_id = $1 AND id > $2 AND NOT hidden";
    execute!(write, sql, chat, id)
}

/// PostgreSQL's JSON cannot hold U+0000. Models and servers can send it, and one such character must not cost the turn; both
/// engines store the same.
pub(crate) fn storable_parts(content: Vec<Part>) -> Vec<Part> {
    let clean = serde_json::to_string(&content).is_ok_and(|text| !text.contains("\\u0000"));
    if clean {
        return content;
    }
    let Ok(mut value) = serde_json::to_value(&content) else { return content };
    replace_nul(&mut value);
    serde_json::from_value(value).unwrap_or(content)
}

/// Every U+0000 in texts and member names becomes U+FFFD.
pub(crate) fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, value)| (name.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            members.values_mut().for_each(replace_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::messages::ToolCallPart;

    #[test]
    fn nul_is_replaced_everywhere_and_nothing_else_changes() {
        let parts = vec![
            Part::text("a\0b"),
            Part::text("a literal \\u0000 stays"),
            Part::ToolCall(ToolCallPart {
                tool_call_id: "c1".to_owned(),
                args: Some(serde_json::json!({"k\0": ["\0", 1, {"x": "y"}]})),
                ..ToolCallPart::default()
            }),
        ];
        let stored = storable_parts(parts);
        assert_eq!(stored[0], Part::text("a\u{fffd}b"));
        assert_eq!(stored[1], Part::text("a literal \\u0000 stays"));
        let Part::ToolCall(call) = &stored[2] else { panic!("kind changed") };
        assert_eq!(call.args, Some(serde_json::json!({"k\u{fffd}": ["\u{fffd}", 1, {"x": "y"}]})));
    }
}
