//! What happens to chats by itself: titles that a model made, chats that nobody touched for long (behaviour 24).

use super::{COLUMNS, ChatRecord, ChatRow};
use crate::{Micros, Result, Write};
use api::{Timestamp, Uuid};

/// Gives a chat a title that a model made, unless its title changed since it stood in `before`: one set by hand meanwhile is never
/// overwritten. The chat after it. Its place in the list, by `updated_at`, stays.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chat_title_generated(
    write: &mut Write,
    id: Uuid,
    before: (&str, &str),
    title: &str,
) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET title = $2, title_source = 'generated', snapshot_version = snapshot_version + 1 \
         WHERE id = $1 AND title = $3 AND title_source = $4 RETURNING {COLUMNS}"
    ));
    fetch_optional!(write, ChatRow, sql, id, title, before.0, before.1)?.map(TryInto::try_into).transpose()
}

/// Archives chats that nobody touched since `before`, at most `limit` of them, the oldest first: neither pinned nor busy, and with
/// nothing waiting, with the subagents below them, of which none works. Replicas that do this at once take different chats.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_auto_archive(write: &mut Write, before: Timestamp, limit: i64) -> Result<Vec<ChatRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET archived = TRUE, snapshot_version = snapshot_version + 1 WHERE id IN (SELECT c.id FROM chats c \
         WHERE NOT c.archived AND c.pin_order = 0 AND c.queue_length = 0 AND c.status IN ('waiting', 'error') \
         AND c.updated_at < $1 AND c.parent_chat_id IS NULL AND NOT EXISTS (SELECT 1 FROM chats k WHERE k.parent_chat_id = c.id \
         AND k.status IN ('running', 'interrupting', 'requires_action')) ORDER BY c.updated_at LIMIT $2{lock}) RETURNING {COLUMNS}"
    ));
    let rows: Vec<ChatRow> = fetch_all!(write, ChatRow, sql, Micros::from(before), limit)?;
    let mut archived: Vec<ChatRecord> = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    for at in 0..archived.len() {
        let sql = sqlx::AssertSqlSafe(format!(
            "UPDATE chats SET archived = TRUE, snapshot_version = snapshot_version + 1 WHERE parent_chat_id = $1 AND NOT archived \
             AND status IN ('waiting', 'error') RETURNING {COLUMNS}"
        ));
        let below: Vec<ChatRow> = fetch_all!(write, ChatRow, sql, archived[at].id)?;
        for row in below {
            archived.push(row.try_into()?);
        }
    }
    Ok(archived)
}
