//! Small facts about the deployment, by key.

use crate::{Result, Session, Write};

/// The value of `key`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn setting_get(session: &mut Session, key: &str) -> Result<Option<String>> {
    let row: Option<(String,)> =
        fetch_optional!(session, (String,), "SELECT value FROM settings WHERE key = $1", key)?;
    Ok(row.map(|(value,)| value))
}

/// The value of `key`, which nobody else changes before the end of the transaction; `absent` becomes the value of one that is
/// not there, so that there is a row to lock.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn setting_get_for_update(write: &mut Write, key: &str, absent: &str) -> Result<String> {
    let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    execute!(write, sql, key, absent)?;
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT value FROM settings WHERE key = $1{lock}"));
    let (value,): (String,) = fetch_one!(write, (String,), sql, key)?;
    Ok(value)
}

/// Sets `key`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn setting_put(write: &mut Write, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    execute!(write, sql, key, value).map(|_| ())
}

/// Removes `key`; true when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn setting_delete(write: &mut Write, key: &str) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM settings WHERE key = $1", key)? > 0)
}
