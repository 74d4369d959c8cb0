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
