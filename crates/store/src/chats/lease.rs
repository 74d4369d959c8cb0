//! Leases (behaviour 18): a durable row, the database's clock, an epoch that never repeats.

use super::{COLUMNS, ChatRecord, ChatRow};
use crate::{Result, Session, Write, clock::now_sql};
use api::{Uuid, chats::ChatStatus};
use std::time::Duration;

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Takes the lease of a chat that is due: running or interrupting, and its lease absent, run out, or `holder`'s own. The epoch
/// and the generation attempt rise, so whatever an earlier holder still sends is stale. `None` when somebody else has it.
///
/// A process may take its own lease again: it alone knows that no runner of its own is at work (one per chat).
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_claim(
    write: &mut Write,
    chat: Uuid,
    holder: Uuid,
    lasting: Duration,
) -> Result<Option<ChatRecord>> {
    let now = now_sql(write);
    // SKIP LOCKED: a replica that is just claiming this chat need not be waited for.
    let lock = if write.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET lease_holder = $2, lease_epoch = lease_epoch + 1, lease_expires_at = {now} + $3, \
         generation_attempt = generation_attempt + 1, snapshot_version = snapshot_version + 1 \
         WHERE id = (SELECT c.id FROM chats c WHERE c.id = $1 AND c.status IN ('running', 'interrupting') \
         AND (c.lease_expires_at IS NULL OR c.lease_expires_at < {now} OR c.lease_holder = $2){lock}) RETURNING {COLUMNS}"
    ));
    fetch_optional!(write, ChatRow, sql, chat, holder, micros(lasting))?.map(TryInto::try_into).transpose()
}

/// Extends a lease that is still `holder`'s under `epoch`; the chat's status, or `None` when the lease was lost.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_renew(
    write: &mut Write,
    chat: Uuid,
    holder: Uuid,
    epoch: i64,
    lasting: Duration,
) -> Result<Option<ChatStatus>> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE chats SET lease_expires_at = {now} + $4 WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3 RETURNING status"
    ));
    let row: Option<(String,)> =
        fetch_optional!(write, (String,), sql, chat, holder, epoch, micros(lasting))?;
    Ok(row.and_then(|(status,)| ChatStatus::parse(&status)))
}

/// Whether the runner of `epoch` may still act: it has the lease. Asked right before each call is
/// sent: another process may have taken the chat since the last renewal.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_stands(session: &mut Session, chat: Uuid, holder: Uuid, epoch: i64) -> Result<bool> {
    let sql = "SELECT id FROM chats WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3";
    Ok(fetch_optional!(session, (Uuid,), sql, chat, holder, epoch)?.is_some())
}

/// The same with the chat's row locked until the end of the transaction: what is written in it is written by whoever has the lease.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_stands_for_update(
    write: &mut Write,
    chat: Uuid,
    holder: Uuid,
    epoch: i64,
) -> Result<bool> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM chats WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3{lock}"
    ));
    Ok(fetch_optional!(write, (Uuid,), sql, chat, holder, epoch)?.is_some())
}

/// Gives a lease back early; true when it was still ours.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_release(write: &mut Write, chat: Uuid, holder: Uuid, epoch: i64) -> Result<bool> {
    let sql = "UPDATE chats SET lease_holder = NULL, lease_expires_at = NULL \
               WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3";
    Ok(execute!(write, sql, chat, holder, epoch)? > 0)
}

/// How long `holder`'s lease of this chat lasts by the database's clock, seconds; `None` when it has none.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn lease_seconds_left(session: &mut Session, chat: Uuid, holder: Uuid) -> Result<Option<f64>> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT lease_expires_at - {now} FROM chats WHERE id = $1 AND lease_holder = $2 AND lease_expires_at IS NOT NULL"
    ));
    let row: Option<(i64,)> = fetch_optional!(session, (i64,), sql, chat, holder)?;
    #[expect(clippy::cast_precision_loss, reason = "a lease lasts seconds, far below 2^53 microseconds")]
    Ok(row.map(|(left,)| left as f64 / 1e6))
}

/// Chats that wait for a runner, the longest waiting first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chats_due(session: &mut Session, limit: i64) -> Result<Vec<Uuid>> {
    let now = now_sql(session);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM chats WHERE status IN ('running', 'interrupting') AND (lease_expires_at IS NULL OR lease_expires_at < {now}) \
         ORDER BY updated_at, id LIMIT $1"
    ));
    let rows: Vec<(Uuid,)> = fetch_all!(session, (Uuid,), sql, limit)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Forgets every lease; how many there were. Only for the start of a process that is alone by the file lock of SQLite: whoever
/// held them is dead, and nobody has to wait for the leases to run out.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn leases_forget(write: &mut Write) -> Result<u64> {
    execute!(
        write,
        "UPDATE chats SET lease_holder = NULL, lease_expires_at = NULL WHERE lease_expires_at IS NOT NULL"
    )
}
