//! Workspaces (behaviour 23). Whoever reads one names its owner: somebody else's is not there.

use crate::{Micros, Result, SealedColumn, Session, Write};
use api::{Timestamp, Uuid};

/// A workspace as stored; its document is sealed as a whole.
#[derive(Debug, Clone)]
pub struct WorkspaceRecord {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    pub description: String,
    pub mcp_json: SealedColumn,
    /// +1 per change of the document.
    pub document_version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct WorkspaceRow {
    id: Uuid,
    owner_id: Uuid,
    name: String,
    description: String,
    mcp_json: Option<Vec<u8>>,
    mcp_json_key_id: Option<String>,
    document_version: i64,
    created_at: Micros,
    updated_at: Micros,
}

const COLUMNS: &str = "w.id, w.owner_id, w.name, w.description, w.mcp_json, w.mcp_json_key_id, w.document_version, w.created_at, \
     w.updated_at";

impl From<WorkspaceRow> for WorkspaceRecord {
    fn from(row: WorkspaceRow) -> Self {
        Self {
            id: row.id,
            owner_id: row.owner_id,
            name: row.name,
            description: row.description,
            mcp_json: SealedColumn { ciphertext: row.mcp_json, key_id: row.mcp_json_key_id },
            document_version: row.document_version,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// The workspaces of `owner` by name.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_list(session: &mut Session, owner: Uuid) -> Result<Vec<WorkspaceRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM workspaces w WHERE w.owner_id = $1 ORDER BY lower(w.name), w.id"
    ));
    Ok(fetch_all!(session, WorkspaceRow, sql, owner)?.into_iter().map(Into::into).collect())
}

/// How many workspaces `owner` has.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_count(session: &mut Session, owner: Uuid) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM workspaces WHERE owner_id = $1";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, owner)?;
    Ok(count)
}

/// A workspace of `owner`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_get(session: &mut Session, owner: Uuid, id: Uuid) -> Result<Option<WorkspaceRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM workspaces w WHERE w.id = $1 AND w.owner_id = $2"
    ));
    Ok(fetch_optional!(session, WorkspaceRow, sql, id, owner)?.map(Into::into))
}

/// The same, locked until the end of the transaction: a rotation of keys must not be undone by an edit beside it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_get_for_update(
    write: &mut Write,
    owner: Uuid,
    id: Uuid,
) -> Result<Option<WorkspaceRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM workspaces w WHERE w.id = $1 AND w.owner_id = $2{lock}"
    ));
    Ok(fetch_optional!(write, WorkspaceRow, sql, id, owner)?.map(Into::into))
}

/// The workspace that a chat is bound to, while it is its owner's.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_of_chat(session: &mut Session, chat: Uuid) -> Result<Option<WorkspaceRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM chats c JOIN workspaces w ON w.id = c.workspace_id AND w.owner_id = c.owner_id WHERE c.id = $1"
    ));
    Ok(fetch_optional!(session, WorkspaceRow, sql, chat)?.map(Into::into))
}

/// A new workspace.
///
/// # Errors
/// A conflict on an unknown owner.
pub async fn workspace_insert(write: &mut Write, record: &WorkspaceRecord) -> Result<()> {
    let sql = "INSERT INTO workspaces (id, owner_id, name, description, mcp_json, mcp_json_key_id, document_version, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        write,
        sql,
        record.id,
        record.owner_id,
        &record.name,
        &record.description,
        record.mcp_json.ciphertext.as_deref(),
        record.mcp_json.key_id.as_deref(),
        record.document_version,
        Micros::from(record.created_at),
        Micros::from(record.updated_at),
    )
    .map(|_| ())
}

/// Writes every field of an existing workspace but its owner.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_update(write: &mut Write, record: &WorkspaceRecord) -> Result<()> {
    let sql = "UPDATE workspaces SET name = $2, description = $3, mcp_json = $4, mcp_json_key_id = $5, document_version = $6, \
               updated_at = $7 WHERE id = $1";
    execute!(
        write,
        sql,
        record.id,
        &record.name,
        &record.description,
        record.mcp_json.ciphertext.as_deref(),
        record.mcp_json.key_id.as_deref(),
        record.document_version,
        Micros::from(record.updated_at),
    )
    .map(|_| ())
}

/// Removes a workspace; its chats go on without one. True when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn workspace_delete(write: &mut Write, owner: Uuid, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM workspaces WHERE id = $1 AND owner_id = $2", id, owner)? > 0)
}
