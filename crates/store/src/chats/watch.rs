//! Looks at somebody's chats for those who watch the list (behaviour 19, `/watch`).

use super::{COLUMNS, ChatRecord, ChatRow};
use crate::{Result, Session};
use api::Uuid;

/// How the chats of one user stand, in four numbers: two that are equal mean that nothing was written between them. Every
/// transaction of a chat raises its `snapshot_version`, so no change leaves the sum as it is unless a chat goes at the same time, and
/// that shows in the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatsMark {
    pub count: i64,
    pub versions: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(sqlx::FromRow)]
struct MarkRow {
    chats: i64,
    versions: i64,
    created: i64,
    updated: i64,
}

/// How the chats of `owner` stand.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_mark(session: &mut Session, owner: Uuid) -> Result<ChatsMark> {
    let sql = "SELECT COUNT(*) AS chats, CAST(COALESCE(SUM(snapshot_version), 0) AS BIGINT) AS versions, \
               COALESCE(MAX(created_at), 0) AS created, COALESCE(MAX(updated_at), 0) AS updated FROM chats WHERE owner_id = $1";
    let row = fetch_one!(session, MarkRow, sql, owner)?;
    Ok(ChatsMark {
        count: row.chats,
        versions: row.versions,
        created_at: row.created,
        updated_at: row.updated,
    })
}

/// The chats of `owner` that changed last, also those that were put away, the newest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_watched(session: &mut Session, owner: Uuid, limit: i64) -> Result<Vec<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chats WHERE owner_id = $1 ORDER BY updated_at DESC, id DESC LIMIT $2"
    ));
    let rows = fetch_all!(session, ChatRow, sql, owner, limit)?;
    rows.into_iter().map(TryInto::try_into).collect()
}
