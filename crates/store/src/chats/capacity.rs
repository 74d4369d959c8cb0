//! Turns that are due and find no free place (behaviour 18, `queued_for_capacity`).

use super::{COLUMNS, ChatRecord, ChatRow};
use crate::{Result, Write};
use api::Uuid;

/// A turn that is due waits for a place: the chat says so. `None` when it said so already, or nothing is due any more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn capacity_wait(write: &mut Write, chat: Uuid) -> Result<Option<ChatRecord>> {
    capacity_set(write, chat, true).await
}

/// The turn has its place. `None` when nobody had said that it waits.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn capacity_found(write: &mut Write, chat: Uuid) -> Result<Option<ChatRecord>> {
    capacity_set(write, chat, false).await
}

async fn capacity_set(write: &mut Write, chat: Uuid, waits: bool) -> Result<Option<ChatRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET queued_for_capacity = $2, snapshot_version = snapshot_version + 1 \
         WHERE id = $1 AND status = 'running' AND queued_for_capacity <> $2 RETURNING {COLUMNS}"
    ));
    fetch_optional!(write, ChatRow, sql, chat, waits)?.map(TryInto::try_into).transpose()
}
