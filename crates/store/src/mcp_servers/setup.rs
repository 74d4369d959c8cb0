//! Rows in setup (behaviour 5): discovery needs a real id before there is a real server. Nobody finds such a row but the request that
//! made it, by its id; its slug is taken. It becomes real in the transaction that stores what was found, or it goes.

use super::{StoredServer, get_for_update, server_insert};
use crate::{Result, Write, clock::now_sql};
use api::Uuid;

/// A new server that is in setup for so long.
///
/// # Errors
/// A conflict on `slug`.
pub async fn server_insert_in_setup(
    write: &mut Write,
    stored: &StoredServer,
    setup_micros: i64,
) -> Result<()> {
    server_insert(write, stored).await?;
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!("UPDATE mcp_servers SET setup_until = {now} + $2 WHERE id = $1"));
    execute!(write, sql, stored.record.id, setup_micros).map(|_| ())
}

/// A server in setup, locked until the end of the transaction; `None` when it is gone, real, or out of time.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_setup_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<StoredServer>> {
    let live = format!("s.setup_until > {}", now_sql(write));
    get_for_update(write, id, &live).await
}

/// Makes a server real; false when it is gone, real already, or out of time.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_setup_finish(write: &mut Write, id: Uuid) -> Result<bool> {
    let now = now_sql(write);
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE mcp_servers SET setup_until = NULL WHERE id = $1 AND setup_until > {now}"
    ));
    Ok(execute!(write, sql, id)? > 0)
}

/// Removes a server that is still in setup; false when it is gone or real.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_setup_remove(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM mcp_servers WHERE id = $1 AND setup_until IS NOT NULL", id)? > 0)
}

/// Removes what a killed process left in setup; how many rows.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn servers_setup_sweep(write: &mut Write) -> Result<u64> {
    let now = now_sql(write);
    execute!(write, sqlx::AssertSqlSafe(format!("DELETE FROM mcp_servers WHERE setup_until <= {now}")))
}
