//! What must not be believed of a database that was put back.

use crate::{Micros, Result, Session, StoreError, Write};
use api::{Timestamp, chats::TurnError};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions, types::Json};
use std::path::Path;

/// What was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Browser sessions that ended.
    pub sessions: u64,
    /// API tokens that are good again as they were when the backup was made.
    pub tokens: u64,
    /// Connections whose refresh token was removed: they last as long as their access token does.
    pub refresh_tokens: u64,
    /// Turns that were under way when the backup was made, and failed.
    pub turns: u64,
}

/// Takes back what a restored database must not act on, in one transaction:
/// - refresh tokens, which were most likely spent since (a provider that sees one again may end the whole connection);
/// - browser sessions, and sign-ins at providers that were under way;
/// - turns under way: what they would call next may have been called since. They end with `error`, and what waits behind them waits on;
/// - leases and the replicas of then.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn restored(write: &mut Write, error: &TurnError, at: Timestamp) -> Result<Restored> {
    let at = Micros::from(at);
    let turns = execute!(
        write,
        "UPDATE chats SET status = 'error', last_error = $1, queued_for_capacity = FALSE, lease_holder = NULL, lease_expires_at = NULL, \
         lease_epoch = lease_epoch + 1, history_version = history_version + 1, snapshot_version = snapshot_version + 1, \
         updated_at = $2 WHERE status IN ('running', 'interrupting', 'requires_action')",
        Json(error),
        at
    )?;
    execute!(
        write,
        "UPDATE chats SET lease_holder = NULL, lease_expires_at = NULL WHERE lease_expires_at IS NOT NULL"
    )?;
    let refresh_tokens = execute!(
        write,
        "UPDATE mcp_user_tokens SET refresh_token = NULL, refresh_token_key_id = NULL, refresh_lease_id = NULL, \
         refresh_lease_until = NULL, refresh_sends = 0, refresh_not_before = NULL, refresh_failures = 0, \
         version = version + 1, updated_at = $1 WHERE refresh_token IS NOT NULL",
        at
    )?;
    // Whoever decided did so in a turn that is no more, and a summary was wished for a chat as it was.
    execute!(
        write,
        "UPDATE chat_actions SET state = 'cancelled', decided_at = $1, answer = NULL WHERE state IN ('open', 'approved')",
        at
    )?;
    execute!(write, "DELETE FROM chat_compaction_requests")?;
    execute!(write, "DELETE FROM mcp_oauth_flows")?;
    let sessions = execute!(write, "DELETE FROM credentials WHERE kind = 'session'")?;
    execute!(write, "DELETE FROM replicas")?;
    let tokens = count(write, "SELECT COUNT(*) FROM credentials WHERE kind = 'token'").await?;
    Ok(Restored { sessions, tokens, refresh_tokens, turns })
}

async fn count(session: &mut Session, sql: &'static str) -> Result<u64> {
    let (count,): (i64,) = fetch_one!(session, (i64,), sql)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// What gives access and was taken away after the backup stays away: API tokens, connections and header values that the
/// database `replaced` has no more, and accounts that are suspended or gone there. How many rows that were. Nothing where the two
/// have no account in common: then it is another installation's. SQLite only; nobody serves either file.
///
/// # Errors
/// [`StoreError::Unavailable`]: `replaced` cannot be read, or its tables are not those of this build.
pub async fn deletions_keep(file: &Path, replaced: &Path) -> Result<u64> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(crate::db::ACQUIRE_TIMEOUT)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let path = replaced.to_str().ok_or_else(|| super::not_text(replaced))?;
    sqlx::query("ATTACH DATABASE $1 AS replaced").bind(path).execute(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    let (common,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM main.users WHERE id IN (SELECT id FROM replaced.users)")
            .fetch_one(&mut *transaction)
            .await?;
    let mut kept = 0;
    if common > 0 {
        for sql in TAKEN_AWAY {
            kept += sqlx::query(sql).execute(&mut *transaction).await?.rows_affected();
        }
    }
    transaction.commit().await?;
    connection.close().await.map_err(StoreError::from)?;
    Ok(kept)
}

/// `main` is the restored database. An account that is gone comes back suspended, as long as an owner stays who can decide.
const TAKEN_AWAY: [&str; 5] = [
    "DELETE FROM main.credentials WHERE id NOT IN (SELECT id FROM replaced.credentials)",
    "DELETE FROM main.mcp_user_tokens WHERE id NOT IN (SELECT id FROM replaced.mcp_user_tokens)",
    "DELETE FROM main.user_header_values WHERE id NOT IN (SELECT id FROM replaced.user_header_values)",
    "UPDATE main.users SET status = 'suspended' WHERE status = 'active' AND id IN \
     (SELECT id FROM replaced.users WHERE status = 'suspended')",
    "UPDATE main.users SET status = 'suspended' WHERE status = 'active' AND id NOT IN (SELECT id FROM replaced.users) \
     AND EXISTS (SELECT 1 FROM replaced.users u JOIN main.users m ON m.id = u.id \
     WHERE u.status = 'active' AND m.status = 'active' AND m.role_bits % 2 = 1)",
];
