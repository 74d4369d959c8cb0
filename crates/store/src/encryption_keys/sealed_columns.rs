//! Every column that holds sealed values, and what is done to all of them: count, encrypt anew, give up.

use crate::{Micros, Result, Session, StoreError, Write, schema::column_exists};
use api::{Timestamp, Uuid};

/// One column of sealed values. Rows are named by `id` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedField {
    pub table: &'static str,
    pub column: &'static str,
    pub key_column: &'static str,
    /// The column with the user the value belongs to; `None` for secrets of the deployment. Part of what a value is bound to.
    pub owner_column: Option<&'static str>,
    /// What else a row's readers must notice when its value is given up, as assignments in which `$2` is now; `None` where the row is
    /// nothing without the value and goes with it.
    given_up: Option<&'static str>,
}

impl SealedField {
    /// `table.column`, for people.
    pub fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }
}

const fn of_server(column: &'static str, key_column: &'static str) -> SealedField {
    SealedField {
        table: "mcp_servers",
        column,
        key_column,
        owner_column: None,
        given_up: Some("updated_at = $2, version = version + 1, credential_version = credential_version + 1"),
    }
}

/// A token of which a part is lost is given up as a whole: its user connects again.
const fn of_token(column: &'static str, key_column: &'static str) -> SealedField {
    SealedField {
        table: "mcp_user_tokens",
        column,
        key_column,
        owner_column: Some("user_id"),
        given_up: None,
    }
}

const fn of_revocation(column: &'static str, key_column: &'static str) -> SealedField {
    SealedField { table: "mcp_revocations", column, key_column, owner_column: None, given_up: None }
}

/// Every column that holds sealed values. Rotation, purge and the start-up check walk it; a test compares it with the schema.
pub const SEALED_COLUMNS: &[SealedField] = &[
    of_server("api_key_value", "api_key_value_key_id"),
    of_server("custom_headers", "custom_headers_key_id"),
    of_server("signing_secret", "signing_secret_key_id"),
    SealedField {
        // Else the client would look like one that never had a secret.
        given_up: Some(
            "updated_at = $2, version = version + 1, credential_version = credential_version + 1, oauth2_secret_wiped = TRUE",
        ),
        ..of_server("oauth2_client_secret", "oauth2_client_secret_key_id")
    },
    SealedField {
        table: "user_header_values",
        column: "header_values",
        key_column: "header_values_key_id",
        owner_column: Some("user_id"),
        given_up: None,
    },
    SealedField {
        table: "mcp_oauth_facts",
        column: "registration_token",
        key_column: "registration_token_key_id",
        owner_column: None,
        // The address is of no use without it.
        given_up: Some("registration_uri = ''"),
    },
    of_token("access_token", "access_token_key_id"),
    of_token("refresh_token", "refresh_token_key_id"),
    SealedField { table: "mcp_oauth_flows", ..of_token("verifier", "verifier_key_id") },
    of_revocation("client_secret", "client_secret_key_id"),
    of_revocation("refresh_token", "refresh_token_key_id"),
    of_revocation("access_token", "access_token_key_id"),
    SealedField {
        table: "llm_providers",
        column: "api_key",
        key_column: "api_key_key_id",
        owner_column: None,
        // Ready providers are kept by id and last change.
        given_up: Some("updated_at = $2"),
    },
    SealedField {
        table: "workspaces",
        column: "mcp_json",
        key_column: "mcp_json_key_id",
        owner_column: Some("owner_id"),
        given_up: Some("updated_at = $2, document_version = document_version + 1"),
    },
];

/// How many values of a column need one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub field: SealedField,
    /// `None`: values without a key id, which nobody of ours writes.
    pub key_id: Option<String>,
    pub values: i64,
}

/// Which key how many values of which column need.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn encryption_key_use(session: &mut Session) -> Result<Vec<KeyUse>> {
    let mut uses = Vec::new();
    for field in SEALED_COLUMNS {
        let SealedField { table, column, key_column, .. } = *field;
        // A column that a migration of this build will add holds nothing yet.
        if !column_exists(session, table, key_column).await? {
            continue;
        }
        // Names come from the constant above, never from input.
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {key_column}, COUNT(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY {key_column} ORDER BY {key_column}"
        ));
        for (key_id, values) in fetch_all!(session, (Option<String>, i64), sql)? {
            uses.push(KeyUse { field: *field, key_id, values });
        }
    }
    Ok(uses)
}

/// A sealed value and its place.
#[derive(Debug, Clone)]
pub struct SealedValue {
    pub row: Uuid,
    pub owner: Option<Uuid>,
    pub ciphertext: Vec<u8>,
    pub key_id: String,
}

#[derive(sqlx::FromRow)]
struct ValueRow {
    id: Uuid,
    owner: Option<Uuid>,
    ciphertext: Vec<u8>,
    key_id: String,
}

/// Up to `limit` values of a column that are not under `key`, by row id, behind `after`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn sealed_values_not_under(
    session: &mut Session,
    field: &SealedField,
    key: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<SealedValue>> {
    let SealedField { table, column, key_column, owner_column, .. } = *field;
    let owner = owner_column.unwrap_or("CAST(NULL AS UUID)");
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT id, {owner} AS owner, {column} AS ciphertext, {key_column} AS key_id FROM {table} \
         WHERE {key_column} <> $1 AND {column} IS NOT NULL AND id > $2 ORDER BY id LIMIT $3"
    ));
    let rows = fetch_all!(session, ValueRow, sql, key, after, limit)?;
    Ok(rows
        .into_iter()
        .map(|row| SealedValue {
            row: row.id,
            owner: row.owner,
            ciphertext: row.ciphertext,
            key_id: row.key_id,
        })
        .collect())
}

/// Puts the same secret under another key in the place of `old`. False when the place holds something else by now: whoever wrote it
/// was later, and wins.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn sealed_value_replace(
    write: &mut Write,
    field: &SealedField,
    old: &SealedValue,
    ciphertext: &[u8],
    key_id: &str,
) -> Result<bool> {
    let SealedField { table, column, key_column, .. } = *field;
    let sql = sqlx::AssertSqlSafe(format!(
        "UPDATE {table} SET {column} = $4, {key_column} = $5 WHERE id = $1 AND {column} = $2 AND {key_column} = $3"
    ));
    Ok(execute!(write, sql, old.row, &old.ciphertext, &old.key_id, ciphertext, key_id)? == 1)
}

/// Holds always: it names the instant where the assignments do not, so that every text has the same parameters.
const PURGED_AT: &str = "CAST($2 AS BIGINT) IS NOT NULL";

/// Gives up every value of a column that needs `key`; how many there were.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn sealed_values_purge(
    write: &mut Write,
    field: &SealedField,
    key: &str,
    now: Timestamp,
) -> Result<u64> {
    let SealedField { table, column, key_column, given_up, .. } = *field;
    match given_up {
        Some(also) => {
            let sql = sqlx::AssertSqlSafe(format!(
                "UPDATE {table} SET {column} = NULL, {key_column} = NULL, {also} WHERE {key_column} = $1 AND {PURGED_AT}"
            ));
            execute!(write, sql, key, Micros::from(now))
        }
        None => {
            let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE {key_column} = $1"));
            execute!(write, sql, key)
        }
    }
}

impl SealedValue {
    /// The key's id as written beside the value.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] when it is none.
    pub fn key(&self, field: &SealedField) -> Result<dbcrypt::KeyId> {
        self.key_id.parse().map_err(|_| StoreError::Inconsistent {
            table: field.table,
            column: field.key_column,
            row: self.row.to_string(),
        })
    }
}
