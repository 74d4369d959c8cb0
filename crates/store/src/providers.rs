//! Model providers.

use crate::{Micros, Result, SealedColumn, Session, StoreError, Write};
use api::{Timestamp, Uuid, models::ProviderType};

/// A provider as stored; the key is sealed.
#[derive(Debug, Clone)]
pub struct ProviderRecord {
    pub id: Uuid,
    pub name: String,
    pub provider_type: ProviderType,
    pub base_url: String,
    pub api_key: SealedColumn,
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ProviderRow {
    id: Uuid,
    name: String,
    r#type: String,
    base_url: String,
    api_key: Option<Vec<u8>>,
    api_key_key_id: Option<String>,
    enabled: bool,
    created_at: Micros,
    updated_at: Micros,
}

const COLUMNS: &str = "id, name, type, base_url, api_key, api_key_key_id, enabled, created_at, updated_at";

impl TryFrom<ProviderRow> for ProviderRecord {
    type Error = StoreError;

    fn try_from(row: ProviderRow) -> Result<Self> {
        let provider_type = ProviderType::parse(&row.r#type).ok_or_else(|| StoreError::Inconsistent {
            table: "llm_providers",
            column: "type",
            row: row.id.to_string(),
        })?;
        Ok(Self {
            id: row.id,
            name: row.name,
            provider_type,
            base_url: row.base_url,
            api_key: SealedColumn { ciphertext: row.api_key, key_id: row.api_key_key_id },
            enabled: row.enabled,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// All providers by name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn provider_list(session: &mut Session) -> Result<Vec<ProviderRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM llm_providers ORDER BY lower(name), id"));
    fetch_all!(session, ProviderRow, sql)?.into_iter().map(TryInto::try_into).collect()
}

/// One provider.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn provider_get(session: &mut Session, id: Uuid) -> Result<Option<ProviderRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM llm_providers WHERE id = $1"));
    fetch_optional!(session, ProviderRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// One provider, locked until the end of the transaction: a rotation of keys must not be undone by an edit beside it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn provider_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<ProviderRecord>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM llm_providers WHERE id = $1{lock}"));
    fetch_optional!(write, ProviderRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// A new provider.
///
/// # Errors
/// A conflict on `name`.
pub async fn provider_insert(write: &mut Write, record: &ProviderRecord) -> Result<()> {
    let sql = "INSERT INTO llm_providers (id, name, type, base_url, api_key, api_key_key_id, enabled, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        write,
        sql,
        record.id,
        &record.name,
        record.provider_type.as_str(),
        &record.base_url,
        record.api_key.ciphertext.as_deref(),
        record.api_key.key_id.as_deref(),
        record.enabled,
        Micros::from(record.created_at),
        Micros::from(record.updated_at),
    )
    .map(|_| ())
}

/// Writes every field of an existing provider.
///
/// # Errors
/// A conflict on `name`.
pub async fn provider_update(write: &mut Write, record: &ProviderRecord) -> Result<()> {
    let sql = "UPDATE llm_providers SET name = $2, base_url = $3, api_key = $4, api_key_key_id = $5, enabled = $6, \
               updated_at = $7 WHERE id = $1";
    execute!(
        write,
        sql,
        record.id,
        &record.name,
        &record.base_url,
        record.api_key.ciphertext.as_deref(),
        record.api_key.key_id.as_deref(),
        record.enabled,
        Micros::from(record.updated_at),
    )
    .map(|_| ())
}

/// Removes a provider with its models; true when it was there.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn provider_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM llm_providers WHERE id = $1", id)? > 0)
}
