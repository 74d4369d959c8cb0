//! What users entered for `user_header` servers (behaviour 7): one sealed map per server and user.

use crate::{Micros, Result, SealedColumn, Session, Write};
use api::{Timestamp, Uuid};
use sqlx::types::Json;

/// The values of one user for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHeaderRecord {
    /// The ciphertext is bound to it.
    pub id: Uuid,
    pub mcp_server_id: Uuid,
    pub user_id: Uuid,
    /// The map from name (lower case) to value as one JSON text, sealed.
    pub values: SealedColumn,
    /// The names in it.
    pub names: Vec<String>,
    /// Rises with every change, also over a removal in between.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Joined to a server: all there, or nothing.
#[derive(sqlx::FromRow)]
pub(crate) struct ValuesRow {
    values_id: Option<Uuid>,
    header_values: Option<Vec<u8>>,
    header_values_key_id: Option<String>,
    value_names: Option<Json<Vec<String>>>,
    values_version: Option<i64>,
    values_created_at: Option<Micros>,
    values_updated_at: Option<Micros>,
}

impl ValuesRow {
    /// The columns of the alias `v`.
    pub(crate) const SELECTED: &'static str = "v.id AS values_id, v.header_values, v.header_values_key_id, v.names AS value_names, \
         v.version AS values_version, v.created_at AS values_created_at, v.updated_at AS values_updated_at";

    pub(crate) fn record(self, server: Uuid, user: Uuid) -> Option<UserHeaderRecord> {
        Some(UserHeaderRecord {
            id: self.values_id?,
            mcp_server_id: server,
            user_id: user,
            values: SealedColumn { ciphertext: self.header_values, key_id: self.header_values_key_id },
            names: self.value_names?.0,
            version: self.values_version?,
            created_at: self.values_created_at?.into(),
            updated_at: self.values_updated_at?.into(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct OfUserRow {
    user_id: Uuid,
    username: String,
    #[sqlx(flatten)]
    values: ValuesRow,
}

/// Stores what a user entered, over what was there. The version passes the old one even when the clock stands still.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_put(write: &mut Write, record: &UserHeaderRecord) -> Result<()> {
    // The id goes along: the ciphertext is bound to it.
    let sql = "INSERT INTO user_header_values (id, mcp_server_id, user_id, header_values, header_values_key_id, names, version, \
               created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (mcp_server_id, user_id) DO UPDATE SET id = excluded.id, header_values = excluded.header_values, \
               header_values_key_id = excluded.header_values_key_id, names = excluded.names, \
               version = CASE WHEN user_header_values.version >= excluded.version THEN user_header_values.version + 1 \
               ELSE excluded.version END, updated_at = excluded.updated_at";
    execute!(
        write,
        sql,
        record.id,
        record.mcp_server_id,
        record.user_id,
        record.values.ciphertext.as_deref(),
        record.values.key_id.as_deref(),
        Json(&record.names),
        record.version,
        Micros::from(record.created_at),
        Micros::from(record.updated_at),
    )
    .map(|_| ())
}

/// Removes one user's values; true when there were some.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_delete(write: &mut Write, server: Uuid, user: Uuid) -> Result<bool> {
    let sql = "DELETE FROM user_header_values WHERE mcp_server_id = $1 AND user_id = $2";
    Ok(execute!(write, sql, server, user)? > 0)
}

/// Writes other values over those of the same row and version; false when they are gone or were replaced meanwhile.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_replace(write: &mut Write, entry: &UserHeaderRecord) -> Result<bool> {
    let sql = "UPDATE user_header_values SET header_values = $3, header_values_key_id = $4, names = $5, updated_at = $6 \
               WHERE id = $1 AND version = $2";
    let changed = execute!(
        write,
        sql,
        entry.id,
        entry.version,
        entry.values.ciphertext.as_deref(),
        entry.values.key_id.as_deref(),
        Json(&entry.names),
        Micros::from(entry.updated_at),
    )?;
    Ok(changed > 0)
}

/// Removes every user's values for a server; how many users had some.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_delete_all(write: &mut Write, server: Uuid) -> Result<u64> {
    execute!(write, "DELETE FROM user_header_values WHERE mcp_server_id = $1", server)
}

/// How many users have values for a server.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_count(session: &mut Session, server: Uuid) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM user_header_values WHERE mcp_server_id = $1";
    let (count,): (i64,) = fetch_one!(session, (i64,), sql, server)?;
    Ok(count)
}

/// The values of all users for a server with their names, by user name; at most `limit`, those after the name `after`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn user_values_list(
    session: &mut Session,
    server: Uuid,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, UserHeaderRecord)>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT v.user_id, u.username, {} FROM user_header_values v JOIN users u ON u.id = v.user_id \
         WHERE v.mcp_server_id = $1 AND lower(u.username) > lower($2) ORDER BY lower(u.username) LIMIT $3",
        ValuesRow::SELECTED
    ));
    let rows = fetch_all!(session, OfUserRow, sql, server, after, limit)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.username, row.values.record(server, row.user_id)?)))
        .collect())
}
