//! Who runs now, and which keys each can read (behaviour 26): a key is written with only after all of them have it.
//!
//! Told by the database clock, so that a replica with a wrong one counts as long as any other.

use crate::{Micros, Result, Session, Write, clock::database_now};
use api::Uuid;
use sqlx::types::Json;

/// A replica that was silent for longer no longer counts, microseconds.
const SILENT_AFTER_MICROS: i64 = 30_000_000;
/// Its row is kept a while longer, for whoever looks, microseconds.
const KEPT_MICROS: i64 = 3_600_000_000;

/// A process that reads sealed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRecord {
    pub id: Uuid,
    /// The keys it can read with; the one it writes with first.
    pub key_ids: Vec<String>,
}

impl ReplicaRecord {
    /// Whether it reads what is sealed with this key.
    pub fn reads(&self, key: &str) -> bool {
        self.key_ids.iter().any(|id| id == key)
    }

    /// The key it writes with.
    pub fn writes(&self) -> Option<&str> {
        self.key_ids.first().map(String::as_str)
    }
}

#[derive(sqlx::FromRow)]
struct ReplicaRow {
    id: Uuid,
    key_ids: Json<Vec<String>>,
}

/// Says that a replica is alive and what it can read.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn replica_seen(write: &mut Write, replica: &ReplicaRecord) -> Result<()> {
    let now = database_now(write).await?;
    let sql = "INSERT INTO replicas (id, key_ids, started_at, seen_at) VALUES ($1, $2, $3, $3) \
               ON CONFLICT (id) DO UPDATE SET key_ids = excluded.key_ids, seen_at = excluded.seen_at";
    execute!(write, sql, replica.id, Json(&replica.key_ids), now).map(|_| ())
}

/// The replicas that count, in the order they began.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn replicas_live(session: &mut Session) -> Result<Vec<ReplicaRecord>> {
    let Micros(now) = database_now(session).await?;
    let sql = "SELECT id, key_ids FROM replicas WHERE seen_at > $1 ORDER BY started_at, id";
    let rows = fetch_all!(session, ReplicaRow, sql, Micros(now - SILENT_AFTER_MICROS))?;
    Ok(rows.into_iter().map(|row| ReplicaRecord { id: row.id, key_ids: row.key_ids.0 }).collect())
}

/// A replica that ends in order.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn replica_gone(write: &mut Write, id: Uuid) -> Result<()> {
    execute!(write, "DELETE FROM replicas WHERE id = $1", id).map(|_| ())
}

/// Removes the rows of those that ended without a word.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn replicas_sweep(write: &mut Write) -> Result<u64> {
    let Micros(now) = database_now(write).await?;
    execute!(write, "DELETE FROM replicas WHERE seen_at < $1", Micros(now - KEPT_MICROS))
}
