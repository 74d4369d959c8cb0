//! Turns that are due and find no free place (behaviour 18, `queued_for_capacity`).

use super::{COLUMNS, ChatRecord, ChatRow};
use crate::{Result, Write, clock::now_sql};
use api::Uuid;

/// A turn that is due waits for a place in the process `holder`: the chat says so. `None` when it said so already, or nothing is due any more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn capacity_wait(write: &mut Write, chat: Uuid, holder: Uuid) -> Result<Option<ChatRecord>> {
    let now = now_sql(write);
    // A runner elsewhere may have taken it since.
    let free = format!("lease_holder IS NULL OR lease_holder = $3 OR lease_expires_at < {now}");
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET queued_for_capacity = $2, snapshot_version = snapshot_version + 1 \
         WHERE id = $1 AND status = 'running' AND NOT queued_for_capacity AND ({free}) RETURNING {COLUMNS}"
    ));
    fetch_optional!(write, ChatRow, sql, chat, true, holder)?.map(TryInto::try_into).transpose()
}

/// The turn has its place. `None` when nobody had said that it waits.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn capacity_found(write: &mut Write, chat: Uuid) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET queued_for_capacity = FALSE, snapshot_version = snapshot_version + 1 \
         WHERE id = $1 AND status = 'running' AND queued_for_capacity RETURNING {COLUMNS}"
    ));
    fetch_optional!(write, ChatRow, sql, chat)?.map(TryInto::try_into).transpose()
}
