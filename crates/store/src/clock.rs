//! The database's clock: leases are judged by it, so that replicas with wrong clocks agree.

use crate::{Micros, Result, Session};

/// PostgreSQL's clock as an expression, microseconds since the epoch.
pub(crate) const POSTGRES_NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// The database's clock as an expression, microseconds since the epoch. Both engines give the start of the statement or later,
/// never the start of the transaction: a transaction that waited for a lock must not judge by an old clock.
pub(crate) fn now_sql(session: &Session) -> &'static str {
    if session.is_postgres() { POSTGRES_NOW } else { "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }
}

/// Now, by the database.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn database_now(session: &mut Session) -> Result<Micros> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {}", now_sql(session)));
    let (now,): (i64,) = fetch_one!(session, (i64,), sql)?;
    Ok(Micros(now))
}
