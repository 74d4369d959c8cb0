//! What the turns of a chat left, without their contents (behaviour 17, `/debug/runs`).

use crate::{Micros, Result, Session};
use api::{Timestamp, Uuid, messages::Usage};
use sqlx::types::Json;

/// An answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    pub id: i64,
    pub model_config_id: Option<Uuid>,
    pub usage: Option<Usage>,
    pub interrupted: bool,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct GenerationRow {
    id: i64,
    model_config_id: Option<Uuid>,
    usage: Option<Json<Usage>>,
    interrupted: bool,
    created_at: Micros,
}

/// Visible answers of the model from message `from` on and before `before`, oldest first, at most `limit`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn generations(
    session: &mut Session,
    chat: Uuid,
    from: i64,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Generation>> {
    let sql = "SELECT id, model_config_id, usage, interrupted, created_at FROM messages \
               WHERE chat_id = $1 AND id >= $2 AND ($3 IS NULL OR id < $3) AND role = 'assistant' AND NOT hidden ORDER BY id LIMIT $4";
    let rows: Vec<GenerationRow> = fetch_all!(session, GenerationRow, sql, chat, from, before, limit)?;
    Ok(rows
        .into_iter()
        .map(|row| Generation {
            id: row.id,
            model_config_id: row.model_config_id,
            usage: row.usage.map(|usage| usage.0),
            interrupted: row.interrupted,
            created_at: row.created_at.into(),
        })
        .collect())
}

/// How many calls each message from `from` on sent, and how many of them did not end well: message, calls, those.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn calls_by_message(
    session: &mut Session,
    chat: Uuid,
    from: i64,
) -> Result<Vec<(i64, i64, i64)>> {
    let sql = "SELECT message_id, COUNT(*), CAST(SUM(CASE WHEN outcome IS NULL OR outcome = 'ok' THEN 0 ELSE 1 END) AS BIGINT) \
               FROM tool_calls WHERE chat_id = $1 AND message_id >= $2 GROUP BY message_id";
    fetch_all!(session, (i64, i64, i64), sql, chat, from)
}

/// A page of the user's visible messages, newest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn prompts(
    session: &mut Session,
    chat: Uuid,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<api::messages::ChatMessage>> {
    crate::messages::user_messages_before(session, chat, before, limit).await
}
