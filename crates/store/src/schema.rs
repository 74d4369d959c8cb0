//! What the stored schema has, for the checks that run before migrations.

use crate::{Result, Session};

/// Whether a column is there. Names come from constants, never from input.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub(crate) async fn column_exists(session: &mut Session, table: &str, column: &str) -> Result<bool> {
    let sql = if session.is_postgres() {
        "SELECT COUNT(*) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 AND column_name = $2"
    } else {
        "SELECT COUNT(*) FROM pragma_table_info($1) WHERE name = $2"
    };
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, table, column)?;
    Ok(count > 0)
}

/// The versions of the migrations that were applied.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub(crate) async fn migrations_applied(session: &mut Session) -> Result<Vec<i64>> {
    if !column_exists(session, "_sqlx_migrations", "version").await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
    Ok(fetch_all!(session, (i64,), sql)?.into_iter().map(|(version,)| version).collect())
}
