//! Small facts about the deployment, by key.

use crate::{Result, Session, Write};
use domain::chat_settings::ChatSettings;

/// The value of `key`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn setting_get(session: &mut Session, key: &str) -> Result<Option<String>> {
    let row: Option<(String,)> =
        fetch_optional!(session, (String,), "SELECT value FROM settings WHERE key = $1", key)?;
    Ok(row.map(|(value,)| value))
}

/// The settings whose keys begin with `prefix`, which has no wildcards: key behind the prefix, and value.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn settings_of(session: &mut Session, prefix: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT key, value FROM settings WHERE key LIKE $1";
    let rows: Vec<(String, String)> = fetch_all!(session, (String, String), sql, format!("{prefix}%"))?;
    let own = |(key, value): (String, String)| Some((key.strip_prefix(prefix)?.to_owned(), value));
    Ok(rows.into_iter().filter_map(own).collect())
}

/// Key of the rows of [`chat_settings`], before the name of the setting.
pub const CHAT_SETTINGS: &str = "chat.";

/// The settings of chats in force (behaviour 17, `/config/*`): system prompt, instructions for plan mode, and the rest.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chat_settings(session: &mut Session) -> Result<ChatSettings> {
    let rows = settings_of(session, CHAT_SETTINGS).await?;
    Ok(ChatSettings::of_stored(rows.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
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
