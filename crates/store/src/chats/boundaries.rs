//! Where the view of a model begins (behaviour 24), and the wish for a summary.

use crate::{
    Micros, Result, Session, Write,
    messages::{NewMessage, message_insert},
};
use api::{
    Timestamp, Uuid,
    messages::{ChatMessage, MessageRole, Part},
};
use sqlx::types::Json;

/// What stands at the beginning of a model's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    pub message_id: i64,
    /// The last of the messages that show the boundary to people: a model's view begins behind it.
    pub through_id: i64,
    /// What was before, in a few words; `None` where the context was cleared.
    pub summary: Option<String>,
    /// User messages from this one up to the boundary are said again as they are.
    pub replay_from: Option<i64>,
    /// Generations and calls of the turn that goes on behind the boundary: its caps count on.
    pub steps: i64,
    pub calls: i64,
}

/// A boundary to be stored, with the two messages that show it to people.
#[derive(Debug, Clone)]
pub struct NewBoundary {
    pub chat_id: Uuid,
    /// `None`: the context is cleared.
    pub summary: Option<String>,
    pub model_config_id: Option<Uuid>,
    pub replay_from: Option<i64>,
    pub steps: i64,
    pub calls: i64,
    /// The call and its result.
    pub shown: (Part, Part),
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct BoundaryRow {
    message_id: i64,
    through_id: i64,
    kind: String,
    replay_from: Option<i64>,
    steps: i64,
    calls: i64,
    content: Json<Vec<Part>>,
}

/// The newest boundary of a chat.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn boundary_newest(session: &mut Session, chat: Uuid) -> Result<Option<Boundary>> {
    let sql = "SELECT b.message_id, b.through_id, b.kind, b.replay_from, b.steps, b.calls, m.content \
               FROM chat_boundaries b JOIN messages m ON m.id = b.message_id \
               WHERE b.chat_id = $1 ORDER BY b.message_id DESC LIMIT 1";
    let row = fetch_optional!(session, BoundaryRow, sql, chat)?;
    Ok(row.map(|row| {
        let text = row.content.0.iter().find_map(|part| match part {
            Part::Text(text) => Some(text.text.clone()),
            _ => None,
        });
        Boundary {
            message_id: row.message_id,
            through_id: row.through_id,
            summary: (row.kind == "summary").then(|| text.unwrap_or_default()),
            replay_from: row.replay_from,
            steps: row.steps,
            calls: row.calls,
        }
    }))
}

/// Stores a boundary with what shows it; the two visible messages. Call it after the transition of the chat.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn boundary_insert(write: &mut Write, boundary: NewBoundary) -> Result<(ChatMessage, ChatMessage)> {
    let NewBoundary { chat_id, model_config_id, created_at, shown, .. } = boundary;
    let message = |role, content: Vec<Part>| NewMessage {
        chat_id,
        role,
        content,
        model_config_id,
        usage: None,
        interrupted: false,
        created_at,
    };
    let hidden = match &boundary.summary {
        Some(summary) => {
            let hidden = message(MessageRole::System, vec![Part::text(summary.as_str())]);
            let hidden = message_insert(write, hidden).await?.id;
            execute!(write, "UPDATE messages SET hidden = TRUE WHERE id = $1", hidden)?;
            Some(hidden)
        }
        None => None,
    };
    let call = message_insert(write, message(MessageRole::Assistant, vec![shown.0])).await?;
    let result = message_insert(write, message(MessageRole::Tool, vec![shown.1])).await?;
    let sql = "INSERT INTO chat_boundaries (message_id, chat_id, kind, through_id, replay_from, steps, calls) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    execute!(
        write,
        sql,
        hidden.unwrap_or(call.id),
        chat_id,
        if hidden.is_some() { "summary" } else { "clear" },
        result.id,
        boundary.replay_from,
        boundary.steps,
        boundary.calls,
    )?;
    Ok((call, result))
}

/// Takes away the boundaries behind message `id`: what they hide begins to count again. For an edit, which hides whatever showed them.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn boundaries_drop_after(write: &mut Write, chat: Uuid, id: i64) -> Result<u64> {
    execute!(write, "DELETE FROM chat_boundaries WHERE chat_id = $1 AND message_id > $2", chat, id)
}

/// Whether an assistant has said anything since the newest boundary: else there is nothing to summarise.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn boundary_is_worthwhile(session: &mut Session, chat: Uuid) -> Result<bool> {
    let sql = "SELECT id FROM messages WHERE chat_id = $1 AND NOT hidden AND role = 'assistant' \
               AND id > COALESCE((SELECT MAX(b.through_id) FROM chat_boundaries b WHERE b.chat_id = $1), 0) LIMIT 1";
    Ok(fetch_optional!(session, (i64,), sql, chat)?.is_some())
}

/// Whether anything was said since the newest boundary: else there is nothing to clear. A summary is something said.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn context_is_worth_clearing(session: &mut Session, chat: Uuid) -> Result<bool> {
    let sql = "SELECT id FROM messages WHERE chat_id = $1 AND NOT hidden \
               AND id > COALESCE((SELECT MAX(b.through_id) FROM chat_boundaries b WHERE b.chat_id = $1 AND b.kind = 'clear'), 0) LIMIT 1";
    Ok(fetch_optional!(session, (i64,), sql, chat)?.is_some())
}

/// Whether a boundary of a cleared context lies behind message `id`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn boundary_is_cleared_after(session: &mut Session, chat: Uuid, id: i64) -> Result<bool> {
    let sql = "SELECT message_id FROM chat_boundaries WHERE chat_id = $1 AND message_id > $2 AND kind = 'clear' LIMIT 1";
    Ok(fetch_optional!(session, (i64,), sql, chat, id)?.is_some())
}

/// The next runner of this chat shall summarise it, and with `resume` go on with the turn that failed.
///
/// # Errors
/// A conflict on an unknown chat.
pub async fn compaction_request_put(
    write: &mut Write,
    chat: Uuid,
    resume: bool,
    at: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO chat_compaction_requests (chat_id, resume, created_at) VALUES ($1, $2, $3) \
               ON CONFLICT (chat_id) DO UPDATE SET resume = excluded.resume, created_at = excluded.created_at";
    execute!(write, sql, chat, resume, Micros::from(at)).map(|_| ())
}

/// Whether a summary is wished for, and then whether the turn goes on behind it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn compaction_request_get(session: &mut Session, chat: Uuid) -> Result<Option<bool>> {
    let sql = "SELECT resume FROM chat_compaction_requests WHERE chat_id = $1";
    Ok(fetch_optional!(session, (bool,), sql, chat)?.map(|(resume,)| resume))
}

/// The wish is fulfilled, or given up.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn compaction_request_delete(write: &mut Write, chat: Uuid) -> Result<()> {
    execute!(write, "DELETE FROM chat_compaction_requests WHERE chat_id = $1", chat).map(|_| ())
}

/// The thresholds that count for a chat of `owner` with this model: the owner's, the model's; 0 where none is set.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn compaction_thresholds(session: &mut Session, owner: Uuid, model: Uuid) -> Result<(i64, i64)> {
    let sql = "SELECT COALESCE((SELECT compaction_threshold FROM user_chat_settings WHERE user_id = $1), 0), \
               COALESCE((SELECT compaction_threshold FROM llm_models WHERE id = $2), 0)";
    fetch_one!(session, (i64, i64), sql, owner, model)
}

/// The threshold that a person set for their own chats; 0: none.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn own_threshold_get(session: &mut Session, user: Uuid) -> Result<i64> {
    let sql = "SELECT compaction_threshold FROM user_chat_settings WHERE user_id = $1";
    Ok(fetch_optional!(session, (i64,), sql, user)?.map_or(0, |(percent,)| percent))
}

/// Sets the threshold of a person's own chats; 0 takes it back.
///
/// # Errors
/// A conflict on an unknown user.
pub async fn own_threshold_put(write: &mut Write, user: Uuid, percent: i64) -> Result<()> {
    let sql = "INSERT INTO user_chat_settings (user_id, compaction_threshold) VALUES ($1, $2) \
               ON CONFLICT (user_id) DO UPDATE SET compaction_threshold = excluded.compaction_threshold";
    execute!(write, sql, user, percent).map(|_| ())
}
