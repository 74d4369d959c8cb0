//! Copies of a SQLite database while it is served, and what a restored one must forget (behaviour 10, threats 80 and 103).
//!
//! A backup is an old truth: since it was made, refresh tokens were spent, people were signed out, and tools have run. [`restored`]
//! takes back what must not be believed any more, on either engine.

mod restored;

pub use restored::{Restored, deletions_keep, restored};

use crate::{Result, StoreError};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use std::path::Path;

/// Writes a consistent copy of the SQLite database at `from` into the file `into`, which must be absent or empty. Readers and the
/// writer of a serving process go on meanwhile.
///
/// # Errors
/// [`StoreError::Unavailable`]: there is no such database, or the copy cannot be written.
pub async fn database_copy(from: &Path, into: &Path) -> Result<()> {
    let mut connection = open_plain(from).await?;
    let target = into.to_str().ok_or_else(|| not_text(into))?;
    let copied = sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await;
    let _ = connection.close().await;
    copied?;
    Ok(())
}

/// How many rows the tables of a database file have, by name, after SQLite has found every page and reference of it whole.
///
/// # Errors
/// [`StoreError::Unavailable`]: the file cannot be read. [`StoreError::Migration`] with a sentence: it is damaged or no database.
pub async fn database_verify(file: &Path) -> Result<Vec<(String, i64)>> {
    let mut connection = open_plain(file).await?;
    let verified = verify(&mut connection).await;
    let _ = connection.close().await;
    verified
}

async fn verify(connection: &mut SqliteConnection) -> Result<Vec<(String, i64)>> {
    let damaged = |what: String| StoreError::Migration(format!("the file is damaged: {what}"));
    let pages: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(1)")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(error) => damaged(error.message().to_owned()),
            None => error.into(),
        })?;
    if let Some((first,)) = pages.first().filter(|(first,)| first != "ok") {
        return Err(damaged(first.clone()));
    }
    let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?;
    if !orphans.is_empty() {
        return Err(damaged(format!("{} rows refer to what is not there", orphans.len())));
    }
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut counts = Vec::with_capacity(tables.len());
    for (table,) in tables {
        let quoted = table.replace('"', "\"\"");
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{quoted}\""));
        let (rows,): (i64,) = sqlx::query_as(sql).fetch_one(&mut *connection).await?;
        counts.push((table, rows));
    }
    Ok(counts)
}

/// Opens the file as it is: neither made nor turned into another journal mode.
async fn open_plain(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(crate::db::ACQUIRE_TIMEOUT)
        .disable_statement_logging();
    Ok(options.connect().await?)
}

/// Brings what stands in the journal of a database that nobody serves into its file, and removes the journal.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn database_settle(file: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Delete)
        .busy_timeout(crate::db::ACQUIRE_TIMEOUT)
        .disable_statement_logging();
    let connection = options.connect().await?;
    connection.close().await?;
    Ok(())
}

fn not_text(path: &Path) -> StoreError {
    let text = format!("{} is no UTF-8 path", path.display());
    StoreError::Unavailable(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidInput, text)))
}
