//! The database's clock: leases are judged by it, so that replicas with wrong clocks agree.

use crate::{Micros, Result, Session};

/// Now, by the database.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn database_now(session: &mut Session) -> Result<Micros> {
    let sql = if session.is_postgres() {
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
    } else {
        "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    };
    let (now,): (i64,) = fetch_one!(session, (i64,), sql)?;
    Ok(Micros(now))
}
