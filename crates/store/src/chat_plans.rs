//! The plan document of a chat (behaviour 21): every version, written once per call that asks for it.

use crate::{Micros, Result, Session, Write};
use api::{Timestamp, Uuid};

/// A version of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRecord {
    pub chat_id: Uuid,
    /// From 1, one more with every change.
    pub version: i64,
    /// Markdown.
    pub content: String,
    pub created_at: Timestamp,
}

/// A plan to be stored, and the call that asks for it.
#[derive(Debug, Clone, Copy)]
pub struct PlanWrite<'a> {
    pub chat_id: Uuid,
    pub content: &'a str,
    /// The assistant's message with the call.
    pub message_id: i64,
    pub tool_call_id: &'a str,
    pub at: Timestamp,
    /// Versions kept; older ones are forgotten.
    pub keep: i64,
}

#[derive(sqlx::FromRow)]
struct PlanRow {
    chat_id: Uuid,
    version: i64,
    content: String,
    created_at: Micros,
}

impl From<PlanRow> for PlanRecord {
    fn from(row: PlanRow) -> Self {
        Self {
            chat_id: row.chat_id,
            version: row.version,
            content: row.content,
            created_at: row.created_at.into(),
        }
    }
}

/// Stores a version and makes it the chat's plan. The same call again finds what it wrote before. Call it under the chat's row lock.
///
/// # Errors
/// [`crate::StoreError::Unavailable`]; a conflict on an unknown chat.
pub async fn plan_write(write: &mut Write, plan: PlanWrite<'_>) -> Result<i64> {
    let sql = "SELECT version FROM chat_plans WHERE chat_id = $1 AND message_id = $2 AND tool_call_id = $3";
    let before = fetch_optional!(write, (i64,), sql, plan.chat_id, plan.message_id, plan.tool_call_id)?;
    if let Some((version,)) = before {
        return Ok(version);
    }
    let sql = "UPDATE chats SET plan_version = plan_version + 1, snapshot_version = snapshot_version + 1 WHERE id = $1 \
               RETURNING plan_version";
    let (version,): (i64,) = fetch_one!(write, (i64,), sql, plan.chat_id)?;
    let sql = "INSERT INTO chat_plans (chat_id, version, content, message_id, tool_call_id, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let content = plan.content.replace('\0', "\u{fffd}");
    execute!(
        write,
        sql,
        plan.chat_id,
        version,
        &content,
        plan.message_id,
        plan.tool_call_id,
        Micros::from(plan.at),
    )?;
    let sql = "DELETE FROM chat_plans WHERE chat_id = $1 AND version <= $2";
    execute!(write, sql, plan.chat_id, version - plan.keep)?;
    Ok(version)
}

/// The plan of a chat; `None`: there is none.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn plan_get(session: &mut Session, chat: Uuid) -> Result<Option<PlanRecord>> {
    let sql = "SELECT chat_id, version, content, created_at FROM chat_plans WHERE chat_id = $1 ORDER BY version DESC LIMIT 1";
    Ok(fetch_optional!(session, PlanRow, sql, chat)?.map(Into::into))
}
