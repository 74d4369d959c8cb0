//! Files of chats (behaviour 17). A file belongs to who stored it; until a message names it, it belongs to no chat.

use crate::{Micros, Result, Session, Write};
use api::{Timestamp, Uuid, messages::FilePart};

/// A file without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub chat_id: Option<Uuid>,
    pub name: String,
    /// What it is, as far as its bytes bear that out.
    pub media_type: String,
    pub size: i64,
    pub created_at: Timestamp,
}

impl FileRecord {
    /// As it stands in a message.
    pub fn to_part(&self) -> FilePart {
        FilePart {
            file_id: self.id,
            name: self.name.clone(),
            media_type: self.media_type.clone(),
            size: self.size,
        }
    }
}

#[derive(sqlx::FromRow)]
struct FileRow {
    id: Uuid,
    owner_id: Uuid,
    chat_id: Option<Uuid>,
    name: String,
    media_type: String,
    size: i64,
    created_at: Micros,
}

const COLUMNS: &str = "id, owner_id, chat_id, name, media_type, size, created_at";

impl From<FileRow> for FileRecord {
    fn from(row: FileRow) -> Self {
        Self {
            id: row.id,
            owner_id: row.owner_id,
            chat_id: row.chat_id,
            name: row.name,
            media_type: row.media_type,
            size: row.size,
            created_at: row.created_at.into(),
        }
    }
}

/// A new file, of no chat yet.
///
/// # Errors
/// A conflict on an unknown owner.
pub async fn file_insert(write: &mut Write, record: &FileRecord, data: &[u8]) -> Result<()> {
    let sql = "INSERT INTO chat_files (id, owner_id, chat_id, name, media_type, size, data, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    execute!(
        write,
        sql,
        record.id,
        record.owner_id,
        record.chat_id,
        &record.name,
        &record.media_type,
        record.size,
        data,
        Micros::from(record.created_at),
    )
    .map(|_| ())
}

/// A file of `owner`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn file_get(session: &mut Session, owner: Uuid, id: Uuid) -> Result<Option<FileRecord>> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM chat_files WHERE id = $1 AND owner_id = $2"));
    Ok(fetch_optional!(session, FileRow, sql, id, owner)?.map(Into::into))
}

/// The bytes of a file, whoever asks: who may is asked before.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn file_data(session: &mut Session, id: Uuid) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> =
        fetch_optional!(session, (Vec<u8>,), "SELECT data FROM chat_files WHERE id = $1", id)?;
    Ok(row.map(|(data,)| data))
}

/// The bytes of a file of `chat`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn file_data_in_chat(session: &mut Session, chat: Uuid, id: Uuid) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT data FROM chat_files WHERE id = $1 AND chat_id = $2";
    let row: Option<(Vec<u8>,)> = fetch_optional!(session, (Vec<u8>,), sql, id, chat)?;
    Ok(row.map(|(data,)| data))
}

/// Binds a file of `owner` to a chat; false where it is not theirs, or another chat's.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn file_attach(write: &mut Write, owner: Uuid, chat: Uuid, id: Uuid) -> Result<bool> {
    let sql = "UPDATE chat_files SET chat_id = $3 WHERE id = $1 AND owner_id = $2 AND (chat_id IS NULL OR chat_id = $3)";
    Ok(execute!(write, sql, id, owner, chat)? > 0)
}

/// Removes the oldest files of a chat beyond `keep`; how many there were.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn files_evict(write: &mut Write, chat: Uuid, keep: i64) -> Result<u64> {
    let sql = "DELETE FROM chat_files WHERE chat_id = $1 AND id NOT IN \
               (SELECT id FROM chat_files WHERE chat_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)";
    execute!(write, sql, chat, keep)
}

/// Removes the oldest files of `owner` that are in no chat, beyond `keep`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn files_loose_evict(write: &mut Write, owner: Uuid, keep: i64) -> Result<u64> {
    let sql = "DELETE FROM chat_files WHERE owner_id = $1 AND chat_id IS NULL AND id NOT IN \
               (SELECT id FROM chat_files WHERE owner_id = $1 AND chat_id IS NULL ORDER BY created_at DESC, id DESC LIMIT $2)";
    execute!(write, sql, owner, keep)
}

/// Removes files that were stored before `before` and are in no chat.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn files_loose_sweep(write: &mut Write, before: Timestamp) -> Result<u64> {
    execute!(write, "DELETE FROM chat_files WHERE chat_id IS NULL AND created_at < $1", Micros::from(before))
}
