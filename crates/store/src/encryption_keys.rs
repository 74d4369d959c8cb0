//! The keys the database knows, each with its state and its canary (behaviour 26).

mod sealed_columns;

use crate::{Micros, Result, Session, StoreError, Write, schema::column_exists};
use api::{Timestamp, keys::KeyState};
pub use sealed_columns::{
    KeyUse, SEALED_COLUMNS, SealedField, SealedValue, encryption_key_use, sealed_value_replace,
    sealed_values_not_under, sealed_values_purge,
};

#[derive(Debug, Clone)]
pub struct EncryptionKeyRecord {
    pub id: String,
    pub state: KeyState,
    pub canary: Vec<u8>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    state: String,
    canary: Vec<u8>,
    created_at: Micros,
}

impl TryFrom<KeyRow> for EncryptionKeyRecord {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self> {
        let state = KeyState::parse(&row.state).ok_or_else(|| StoreError::Inconsistent {
            table: "encryption_keys",
            column: "state",
            row: row.id.clone(),
        })?;
        Ok(Self { id: row.id, state, canary: row.canary, created_at: row.created_at.into() })
    }
}

/// All known keys, oldest first; none on a database that was never used.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn encryption_key_list(session: &mut Session) -> Result<Vec<EncryptionKeyRecord>> {
    if !column_exists(session, "encryption_keys", "canary").await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, state, canary, created_at FROM encryption_keys ORDER BY created_at, id";
    fetch_all!(session, KeyRow, sql)?.into_iter().map(TryInto::try_into).collect()
}

/// One decision about keys at a time, over all replicas, until the end of the transaction. Reads go on.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn encryption_keys_lock(write: &mut Write) -> Result<()> {
    // SQLite has one writer anyway.
    if write.is_postgres() {
        execute!(write, "LOCK TABLE encryption_keys IN SHARE ROW EXCLUSIVE MODE")?;
    }
    Ok(())
}

/// Makes a key known, as introduced: nobody writes with it yet.
///
/// # Errors
/// A conflict when it is known already.
pub async fn encryption_key_insert(write: &mut Write, id: &str, canary: &[u8], at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO encryption_keys (id, state, canary, created_at) VALUES ($1, 'introduced', $2, $3)";
    execute!(write, sql, id, canary, Micros::from(at)).map(|_| ())
}

/// Moves a key from one state to another; false when it was not in the first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn encryption_key_move(write: &mut Write, id: &str, from: KeyState, to: KeyState) -> Result<bool> {
    let sql = "UPDATE encryption_keys SET state = $3 WHERE id = $1 AND state = $2";
    Ok(execute!(write, sql, id, from.as_str(), to.as_str())? > 0)
}
