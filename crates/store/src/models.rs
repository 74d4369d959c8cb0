//! Models.

use crate::{Micros, Result, Session, Write};
use api::{Timestamp, Uuid};

#[derive(Debug, Clone)]
pub struct ModelRecord {
    pub id: Uuid,
    pub provider_id: Uuid,
    pub model: String,
    pub display_name: String,
    pub context_limit: i64,
    pub max_output_tokens: i64,
    /// Percent of the context from which a chat is summarised; 0: as the deployment says.
    pub compaction_threshold: i64,
    pub enabled: bool,
    pub is_default: bool,
    /// The provider's switch: a model acts only when both are on.
    pub provider_enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ModelRow {
    id: Uuid,
    provider_id: Uuid,
    model: String,
    display_name: String,
    context_limit: i64,
    max_output_tokens: i64,
    compaction_threshold: i64,
    enabled: bool,
    is_default: bool,
    provider_enabled: bool,
    created_at: Micros,
    updated_at: Micros,
}

impl From<ModelRow> for ModelRecord {
    fn from(row: ModelRow) -> Self {
        Self {
            id: row.id,
            provider_id: row.provider_id,
            model: row.model,
            display_name: row.display_name,
            context_limit: row.context_limit,
            max_output_tokens: row.max_output_tokens,
            compaction_threshold: row.compaction_threshold,
            enabled: row.enabled,
            is_default: row.is_default,
            provider_enabled: row.provider_enabled,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

const SELECT: &str = "SELECT m.id, m.provider_id, m.model, m.display_name, m.context_limit, m.max_output_tokens, m.compaction_threshold, m.enabled, \
     m.is_default, p.enabled AS provider_enabled, m.created_at, m.updated_at \
     FROM llm_models m JOIN llm_providers p ON p.id = m.provider_id";

/// All models, the default first, then by name.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn model_list(session: &mut Session) -> Result<Vec<ModelRecord>> {
    let sql =
        sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY m.is_default DESC, lower(m.display_name), m.id"));
    Ok(fetch_all!(session, ModelRow, sql)?.into_iter().map(Into::into).collect())
}

/// One model.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn model_get(session: &mut Session, id: Uuid) -> Result<Option<ModelRecord>> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE m.id = $1"));
    Ok(fetch_optional!(session, ModelRow, sql, id)?.map(Into::into))
}

/// The model for a chat that names none: the default if it may act, else the first that may.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn model_default(session: &mut Session) -> Result<Option<ModelRecord>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE m.enabled AND p.enabled ORDER BY m.is_default DESC, m.created_at, m.id LIMIT 1"
    ));
    Ok(fetch_optional!(session, ModelRow, sql)?.map(Into::into))
}

/// A new model.
///
/// # Errors
/// A conflict on `(provider_id, model)` or on an unknown provider.
pub async fn model_insert(write: &mut Write, record: &ModelRecord) -> Result<()> {
    let sql = "INSERT INTO llm_models (id, provider_id, model, display_name, context_limit, max_output_tokens, enabled, is_default, \
               created_at, updated_at, compaction_threshold) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    execute!(
        write,
        sql,
        record.id,
        record.provider_id,
        &record.model,
        &record.display_name,
        record.context_limit,
        record.max_output_tokens,
        record.enabled,
        record.is_default,
        Micros::from(record.created_at),
        Micros::from(record.updated_at),
        record.compaction_threshold,
    )
    .map(|_| ())
}

/// Writes every field of an existing model.
///
/// # Errors
/// A conflict on `(provider_id, model)`.
pub async fn model_update(write: &mut Write, record: &ModelRecord) -> Result<()> {
    let sql = "UPDATE llm_models SET model = $2, display_name = $3, context_limit = $4, max_output_tokens = $5, enabled = $6, \
               is_default = $7, updated_at = $8, compaction_threshold = $9 WHERE id = $1";
    execute!(
        write,
        sql,
        record.id,
        &record.model,
        &record.display_name,
        record.context_limit,
        record.max_output_tokens,
        record.enabled,
        record.is_default,
        Micros::from(record.updated_at),
        record.compaction_threshold,
    )
    .map(|_| ())
}

/// Takes the default mark off every model, before another gets it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn model_default_clear(write: &mut Write) -> Result<()> {
    execute!(write, "UPDATE llm_models SET is_default = FALSE WHERE is_default").map(|_| ())
}

/// Removes a model; true when it was there.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn model_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM llm_models WHERE id = $1", id)? > 0)
}
