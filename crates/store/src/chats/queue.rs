//! Messages that wait for the turn before them (behaviour 18). How many wait stands beside the status of the chat and changes with it,
//! in [`super::chat_transition`], under the chat's row lock.

use super::{ChatRecord, chat_update_fields};
use crate::{
    Micros, Result, Session, StoreError, Write,
    messages::{NewMessage, message_insert},
};
use api::{
    Timestamp, Uuid,
    chats::{PlanMode, QueuedMessage},
    messages::{ChatMessage, MessageRole, Part},
};
use sqlx::types::Json;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedRecord {
    pub id: i64,
    pub chat_id: Uuid,
    pub content: Vec<Part>,
    /// For its turn and those after it; `None`: no change.
    pub model_config_id: Option<Uuid>,
    /// The completed selection for its turn and those after it (behaviour 16); `None`: no change.
    pub mcp_server_ids: Option<Vec<Uuid>>,
    /// For its turn and those after it; `None`: no change.
    pub plan_mode: Option<PlanMode>,
    pub created_at: Timestamp,
    /// The message that it became.
    pub message_id: Option<i64>,
}

impl QueuedRecord {
    /// As REST and the stream show it.
    pub fn to_wire(&self) -> QueuedMessage {
        QueuedMessage {
            id: self.id,
            chat_id: self.chat_id,
            content: self.content.clone(),
            model_config_id: self.model_config_id,
            plan_mode: self.plan_mode,
            created_at: self.created_at,
        }
    }
}

/// A message to wait. The database gives id and place.
#[derive(Debug, Clone)]
pub struct NewQueued {
    pub chat_id: Uuid,
    pub content: Vec<Part>,
    /// Bytes of its text.
    pub size: i64,
    pub model_config_id: Option<Uuid>,
    pub mcp_server_ids: Option<Vec<Uuid>>,
    pub plan_mode: Option<PlanMode>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct QueuedRow {
    id: i64,
    chat_id: Uuid,
    content: Json<Vec<Part>>,
    model_config_id: Option<Uuid>,
    mcp_server_ids: Option<Json<Vec<Uuid>>>,
    plan_mode: Option<String>,
    created_at: Micros,
    message_id: Option<i64>,
}

const COLUMNS: &str =
    "id, chat_id, content, model_config_id, mcp_server_ids, plan_mode, created_at, message_id";

impl From<QueuedRow> for QueuedRecord {
    fn from(row: QueuedRow) -> Self {
        Self {
            id: row.id,
            chat_id: row.chat_id,
            content: row.content.0,
            model_config_id: row.model_config_id,
            mcp_server_ids: row.mcp_server_ids.map(|ids| ids.0),
            // The column admits nothing else.
            plan_mode: row.plan_mode.as_deref().and_then(PlanMode::parse),
            created_at: row.created_at.into(),
            message_id: row.message_id,
        }
    }
}

/// Where in the queue a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePlace {
    First,
    Last,
}

impl QueuePlace {
    /// SQL of a position that no waiting message of chat $1 has.
    fn position(self) -> &'static str {
        match self {
            Self::First => {
                "(SELECT COALESCE(MIN(q.position), 1) - 1 FROM queued_messages q WHERE q.chat_id = $1 AND q.ended IS NULL)"
            }
            Self::Last => {
                "(SELECT COALESCE(MAX(q.position), 0) + 1 FROM queued_messages q WHERE q.chat_id = $1 AND q.ended IS NULL)"
            }
        }
    }
}

/// Lets a message wait. Call it after the transition that counts it.
///
/// # Errors
/// A conflict on an unknown chat.
pub async fn queue_insert(write: &mut Write, place: QueuePlace, message: NewQueued) -> Result<QueuedRecord> {
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO queued_messages (chat_id, position, content, size, model_config_id, mcp_server_ids, plan_mode, created_at) \
         VALUES ($1, {}, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}",
        place.position()
    ));
    let content = crate::messages::storable_parts(message.content);
    let row: QueuedRow = fetch_one!(
        write,
        QueuedRow,
        sql,
        message.chat_id,
        Json(&content),
        message.size,
        message.model_config_id,
        message.mcp_server_ids.as_ref().map(Json),
        message.plan_mode.map(PlanMode::as_str),
        Micros::from(message.created_at),
    )?;
    Ok(row.into())
}

/// What waits in a chat, in order.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_list(session: &mut Session, chat: Uuid) -> Result<Vec<QueuedRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM queued_messages WHERE chat_id = $1 AND ended IS NULL ORDER BY position"
    ));
    Ok(fetch_all!(session, QueuedRow, sql, chat)?.into_iter().map(Into::into).collect())
}

/// Bytes of text that wait in a chat.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_size(session: &mut Session, chat: Uuid) -> Result<i64> {
    // PostgreSQL sums BIGINT to NUMERIC.
    let sql = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM queued_messages WHERE chat_id = $1 AND ended IS NULL";
    let (size,): (i64,) = fetch_one!(session, (i64,), sql, chat)?;
    Ok(size)
}

/// The message that is next, with the chat's row locked until the end of the transaction: nobody takes it, and none joins.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_head_for_update(write: &mut Write, chat: Uuid) -> Result<Option<QueuedRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT queue_length FROM chats WHERE id = $1{lock}"));
    let length = fetch_optional!(write, (i64,), sql, chat)?.map_or(0, |(length,)| length);
    if length == 0 {
        return Ok(None);
    }
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM queued_messages WHERE chat_id = $1 AND ended IS NULL ORDER BY position LIMIT 1"
    ));
    let head = fetch_optional!(write, QueuedRow, sql, chat)?.map(QueuedRecord::from);
    let missing =
        || StoreError::Inconsistent { table: "chats", column: "queue_length", row: chat.to_string() };
    head.ok_or_else(missing).map(Some)
}

/// A waiting message of the chat.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_get(session: &mut Session, chat: Uuid, id: i64) -> Result<Option<QueuedRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM queued_messages WHERE chat_id = $1 AND id = $2 AND ended IS NULL"
    ));
    Ok(fetch_optional!(session, QueuedRow, sql, chat, id)?.map(Into::into))
}

/// A message that waits or has waited: what a repeated request asks for.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_find(session: &mut Session, chat: Uuid, id: i64) -> Result<Option<QueuedRecord>> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM queued_messages WHERE chat_id = $1 AND id = $2"));
    Ok(fetch_optional!(session, QueuedRow, sql, chat, id)?.map(Into::into))
}

/// Puts a waiting message first; true when it waits.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_first(write: &mut Write, chat: Uuid, id: i64) -> Result<bool> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE queued_messages SET position = {} WHERE chat_id = $1 AND id = $2 AND ended IS NULL",
        QueuePlace::First.position()
    ));
    Ok(execute!(write, sql, chat, id)? > 0)
}

/// Makes a waiting message the one that begins the next turn, with the model, servers and plan mode it was sent with. Call it after the transition
/// that counts it; `chat` is as that left it, and afterwards as stored.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_promote(
    write: &mut Write,
    chat: &mut ChatRecord,
    head: QueuedRecord,
    at: Timestamp,
) -> Result<ChatMessage> {
    let model = head.model_config_id.or(chat.model_config_id);
    let servers = head.mcp_server_ids.unwrap_or_else(|| chat.mcp_server_ids.clone());
    let mode = head.plan_mode.unwrap_or(chat.plan_mode);
    let modes = (chat.plan_mode, chat.turn_plan_mode);
    if model != chat.model_config_id || servers != chat.mcp_server_ids || modes != (mode, mode) {
        chat.model_config_id = model;
        chat.mcp_server_ids = servers;
        (chat.plan_mode, chat.turn_plan_mode) = (mode, mode);
        chat_update_fields(write, chat).await?;
        chat.snapshot_version += 1;
    }
    let message = NewMessage {
        chat_id: chat.id,
        role: MessageRole::User,
        content: head.content,
        model_config_id: chat.model_config_id,
        usage: None,
        interrupted: false,
        created_at: at,
    };
    let message = message_insert(write, message).await?;
    queue_promoted(write, chat.id, head.id, message.id).await?;
    Ok(message)
}

/// A waiting message became `message_id`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_promoted(write: &mut Write, chat: Uuid, id: i64, message_id: i64) -> Result<()> {
    let sql = "UPDATE queued_messages SET ended = 'promoted', message_id = $3 WHERE chat_id = $1 AND id = $2 AND ended IS NULL";
    execute!(write, sql, chat, id, message_id).map(|_| ())
}

/// Takes a waiting message back; true when it waited.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_remove(write: &mut Write, chat: Uuid, id: i64) -> Result<bool> {
    let sql = "UPDATE queued_messages SET ended = 'removed' WHERE chat_id = $1 AND id = $2 AND ended IS NULL";
    Ok(execute!(write, sql, chat, id)? > 0)
}

/// Takes back whatever waits; how many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_clear(write: &mut Write, chat: Uuid) -> Result<u64> {
    execute!(write, "UPDATE queued_messages SET ended = 'removed' WHERE chat_id = $1 AND ended IS NULL", chat)
}

/// Forgets messages that ended and were sent before `before`; how many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn queue_prune(write: &mut Write, before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM queued_messages WHERE ended IS NOT NULL AND created_at < $1";
    execute!(write, sql, Micros::from(before))
}
