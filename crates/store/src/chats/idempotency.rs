//! `Idempotency-Key` (behaviour 17, "Do better"): a repeated POST finds what the first one made.

use crate::{Micros, Result, Session, Write};
use api::{Timestamp, Uuid};

/// What a key made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the request: the same key with another request is a conflict.
    pub request_hash: Vec<u8>,
    pub chat_id: Uuid,
    pub made: Made,
    pub created_at: Timestamp,
}

/// The user's message, or the queued one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Message(i64),
    Queued(i64),
}

/// What `owner` made with `key`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn idempotency_find(
    session: &mut Session,
    owner: Uuid,
    key: &str,
) -> Result<Option<IdempotencyRecord>> {
    let sql = "SELECT request_hash, chat_id, message_id, queued_id, created_at FROM idempotency_keys WHERE owner_id = $1 AND key = $2";
    type Row = (Vec<u8>, Uuid, i64, Option<i64>, Micros);
    let row: Option<Row> = fetch_optional!(session, Row, sql, owner, key)?;
    Ok(row.map(|(request_hash, chat_id, message_id, queued_id, created_at)| IdempotencyRecord {
        request_hash,
        chat_id,
        made: queued_id.map_or(Made::Message(message_id), Made::Queued),
        created_at: created_at.into(),
    }))
}

/// Remembers a key, in the transaction of what it made.
///
/// # Errors
/// A conflict on `idempotency_keys` when the key is taken: roll back and read what the winner made.
pub async fn idempotency_put(
    write: &mut Write,
    owner: Uuid,
    key: &str,
    record: &IdempotencyRecord,
) -> Result<()> {
    let (message_id, queued_id) = match record.made {
        Made::Message(id) => (id, None),
        Made::Queued(id) => (0, Some(id)),
    };
    let sql = "INSERT INTO idempotency_keys (owner_id, key, request_hash, chat_id, message_id, queued_id, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    execute!(
        write,
        sql,
        owner,
        key,
        &record.request_hash,
        record.chat_id,
        message_id,
        queued_id,
        Micros::from(record.created_at),
    )
    .map(|_| ())
}

/// Forgets keys made before `before`; how many.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn idempotency_prune(write: &mut Write, before: Timestamp) -> Result<u64> {
    execute!(write, "DELETE FROM idempotency_keys WHERE created_at < $1", Micros::from(before))
}
