//! What can go wrong in the database, and what the caller should do.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    /// A unique or foreign-key constraint refused the row; `constraint` names it (index name or `table.column`).
    #[error("constraint {constraint} refused the row")]
    Conflict { constraint: String },
    /// No connection, a full disk, a statement over its deadline: try again later (503).
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// A row that the code never writes: an address for whoever repairs it.
    #[error("impossible value in {table}.{column} of row {row}")]
    Inconsistent { table: &'static str, column: &'static str, row: String },
    /// The stored schema is newer than, or differs from, this build's.
    #[error("migration failed: {0}")]
    Migration(String),
    /// A fault of ours in a statement.
    #[error("database statement failed")]
    Statement(#[source] sqlx::Error),
}

impl StoreError {
    /// The database was not waited for any longer.
    pub fn timed_out() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }

    /// The same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// True when `name` is the refused constraint; SQLite names `index 'x'` or `table.column`, PostgreSQL the constraint.
    pub fn is_conflict_on(&self, name: &str) -> bool {
        matches!(self, Self::Conflict { constraint } if constraint.contains(name))
    }
}

/// PostgreSQL waited for a lock as long as `lock_timeout` allows.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db)
                if db.is_unique_violation() || db.is_foreign_key_violation() || is_restricted(&**db) =>
            {
                let constraint = db.constraint().map_or_else(|| db.message().to_owned(), str::to_owned);
                Self::Conflict { constraint }
            }
            sqlx::Error::Database(db) => {
                // 53: resources, 57: shutting down, 40: serialisation; SQLite 5 busy, 10 io, 13 full
                let code = db.code().unwrap_or_default();
                let passing =
                    ["53", "57", "40", "08"].iter().any(|class| code.len() == 5 && code.starts_with(class))
                        || matches!(code.as_ref(), "5" | "10" | "13" | "261" | "517" | LOCK_NOT_AVAILABLE);
                if passing { Self::Unavailable(error) } else { Self::Statement(error) }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_) => Self::Unavailable(error),
            _ => Self::Statement(error),
        }
    }
}

/// SQLite reports what ON DELETE RESTRICT refuses under the code of triggers, which only the text tells from one of ours.
fn is_restricted(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("1811") && error.message() == "FOREIGN KEY constraint failed"
}
