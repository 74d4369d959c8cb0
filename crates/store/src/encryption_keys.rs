//! The keys the database knows, each with its canary (behaviour 26).

use crate::{Micros, Result, Session, Write, schema::column_exists};
use api::Timestamp;

#[derive(Debug, Clone)]
pub struct EncryptionKeyRecord {
    pub id: String,
    /// `active`, `retired` or `revoked`.
    pub state: String,
    pub canary: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    state: String,
    canary: Vec<u8>,
}

/// Every column that holds sealed values: `(table, value column, key id column)`. Rotation and the start-up check walk it.
pub const SEALED_COLUMNS: &[(&str, &str, &str)] = &[
    ("mcp_servers", "api_key_value", "api_key_value_key_id"),
    ("mcp_servers", "custom_headers", "custom_headers_key_id"),
    ("mcp_servers", "oauth2_client_secret", "oauth2_client_secret_key_id"),
    ("user_header_values", "header_values", "header_values_key_id"),
    ("llm_providers", "api_key", "api_key_key_id"),
];

/// All known keys; none on a database that was never used.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn encryption_key_list(session: &mut Session) -> Result<Vec<EncryptionKeyRecord>> {
    if !column_exists(session, "encryption_keys", "canary").await? {
        return Ok(Vec::new());
    }
    let rows =
        fetch_all!(session, KeyRow, "SELECT id, state, canary FROM encryption_keys ORDER BY created_at, id")?;
    Ok(rows
        .into_iter()
        .map(|row| EncryptionKeyRecord { id: row.id, state: row.state, canary: row.canary })
        .collect())
}

/// Makes a key known.
///
/// # Errors
/// A conflict when it is known already.
pub async fn encryption_key_insert(write: &mut Write, id: &str, canary: &[u8], at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO encryption_keys (id, state, canary, created_at) VALUES ($1, 'active', $2, $3)";
    execute!(write, sql, id, canary, Micros::from(at)).map(|_| ())
}

/// The ids of all keys that some stored value needs.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn encryption_keys_in_use(session: &mut Session) -> Result<Vec<String>> {
    let mut ids = std::collections::BTreeSet::new();
    for (table, _, key_column) in SEALED_COLUMNS {
        // A column that a migration of this build will add holds nothing yet.
        if !column_exists(session, table, key_column).await? {
            continue;
        }
        // Names come from the constant above, never from input.
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT DISTINCT {key_column} FROM {table} WHERE {key_column} IS NOT NULL"
        ));
        for (id,) in fetch_all!(session, (String,), sql)? {
            ids.insert(id);
        }
    }
    Ok(ids.into_iter().collect())
}
