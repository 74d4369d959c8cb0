//! MCP servers (behaviour 3).

use crate::{Micros, Result, SealedColumn, Session, StoreError, Write};
use api::{
    Uuid,
    servers::{AuthType, Availability, Transport},
};
use domain::mcp_server::ServerRecord;
use sqlx::types::Json;

/// A server as stored: its record, and its secrets as they lie in the row.
#[derive(Debug, Clone)]
pub struct StoredServer {
    pub record: ServerRecord,
    pub api_key: SealedColumn,
    /// The whole map as one JSON text, sealed.
    pub custom_headers: SealedColumn,
}

#[derive(sqlx::FromRow)]
struct ServerRow {
    id: Uuid,
    display_name: String,
    slug: String,
    description: String,
    icon_url: String,
    transport: String,
    url: String,
    auth_type: String,
    api_key_header: String,
    api_key_value: Option<Vec<u8>>,
    api_key_value_key_id: Option<String>,
    custom_headers: Option<Vec<u8>>,
    custom_headers_key_id: Option<String>,
    tool_allow_list: Json<Vec<String>>,
    tool_deny_list: Json<Vec<String>>,
    availability: String,
    enabled: bool,
    model_intent: bool,
    created_at: Micros,
    updated_at: Micros,
    created_by: Option<Uuid>,
    updated_by: Option<Uuid>,
    version: i64,
    credential_version: i64,
}

const COLUMNS: &str = "id, display_name, slug, description, icon_url, transport, url, auth_type, api_key_header, api_key_value, \
     api_key_value_key_id, custom_headers, custom_headers_key_id, tool_allow_list, tool_deny_list, availability, enabled, \
     model_intent, created_at, updated_at, created_by, updated_by, version, credential_version";

impl TryFrom<ServerRow> for StoredServer {
    type Error = StoreError;

    fn try_from(row: ServerRow) -> Result<Self> {
        let impossible =
            |column| StoreError::Inconsistent { table: "mcp_servers", column, row: row.id.to_string() };
        let transport = Transport::parse(&row.transport).ok_or_else(|| impossible("transport"))?;
        let auth_type = AuthType::parse(&row.auth_type).ok_or_else(|| impossible("auth_type"))?;
        let availability =
            Availability::parse(&row.availability).ok_or_else(|| impossible("availability"))?;
        Ok(Self {
            record: ServerRecord {
                id: row.id,
                display_name: row.display_name,
                slug: row.slug,
                description: row.description,
                icon_url: row.icon_url,
                transport,
                url: row.url,
                auth_type,
                api_key_header: row.api_key_header,
                has_api_key: row.api_key_value.is_some(),
                has_custom_headers: row.custom_headers.is_some(),
                tool_allow_list: row.tool_allow_list.0,
                tool_deny_list: row.tool_deny_list.0,
                availability,
                enabled: row.enabled,
                model_intent: row.model_intent,
                created_at: row.created_at.into(),
                updated_at: row.updated_at.into(),
                created_by: row.created_by,
                updated_by: row.updated_by,
                version: row.version,
                credential_version: row.credential_version,
            },
            api_key: SealedColumn { ciphertext: row.api_key_value, key_id: row.api_key_value_key_id },
            custom_headers: SealedColumn {
                ciphertext: row.custom_headers,
                key_id: row.custom_headers_key_id,
            },
        })
    }
}

/// All servers by display name, then id. `only_enabled` is the member's view.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_list(session: &mut Session, only_enabled: bool) -> Result<Vec<StoredServer>> {
    let filter = if only_enabled { "WHERE enabled" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM mcp_servers {filter} ORDER BY lower(display_name), id"
    ));
    fetch_all!(session, ServerRow, sql)?.into_iter().map(TryInto::try_into).collect()
}

/// One server, enabled or not.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_get(session: &mut Session, id: Uuid) -> Result<Option<StoredServer>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM mcp_servers WHERE id = $1"));
    fetch_optional!(session, ServerRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// One server, locked until the end of the transaction: two admins must not merge into each other.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<StoredServer>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM mcp_servers WHERE id = $1{lock}"));
    fetch_optional!(write, ServerRow, sql, id)?.map(TryInto::try_into).transpose()
}

/// A new server.
///
/// # Errors
/// A conflict on `slug`.
pub async fn server_insert(write: &mut Write, stored: &StoredServer) -> Result<()> {
    let record = &stored.record;
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO mcp_servers ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
         $18, $19, $20, $21, $22, $23, $24)"
    ));
    execute!(
        write,
        sql,
        record.id,
        &record.display_name,
        &record.slug,
        &record.description,
        &record.icon_url,
        record.transport.as_str(),
        &record.url,
        record.auth_type.as_str(),
        &record.api_key_header,
        stored.api_key.ciphertext.as_deref(),
        stored.api_key.key_id.as_deref(),
        stored.custom_headers.ciphertext.as_deref(),
        stored.custom_headers.key_id.as_deref(),
        Json(&record.tool_allow_list),
        Json(&record.tool_deny_list),
        record.availability.as_str(),
        record.enabled,
        record.model_intent,
        Micros::from(record.created_at),
        Micros::from(record.updated_at),
        record.created_by,
        record.updated_by,
        record.version,
        record.credential_version,
    )
    .map(|_| ())
}

/// Writes every field of an existing server.
///
/// # Errors
/// A conflict on `slug`.
pub async fn server_update(write: &mut Write, stored: &StoredServer) -> Result<()> {
    let record = &stored.record;
    let sql = "UPDATE mcp_servers SET display_name = $2, slug = $3, description = $4, icon_url = $5, transport = $6, url = $7, \
               auth_type = $8, api_key_header = $9, api_key_value = $10, api_key_value_key_id = $11, custom_headers = $12, \
               custom_headers_key_id = $13, tool_allow_list = $14, tool_deny_list = $15, availability = $16, enabled = $17, \
               model_intent = $18, updated_at = $19, updated_by = $20, version = $21, credential_version = $22 WHERE id = $1";
    execute!(
        write,
        sql,
        record.id,
        &record.display_name,
        &record.slug,
        &record.description,
        &record.icon_url,
        record.transport.as_str(),
        &record.url,
        record.auth_type.as_str(),
        &record.api_key_header,
        stored.api_key.ciphertext.as_deref(),
        stored.api_key.key_id.as_deref(),
        stored.custom_headers.ciphertext.as_deref(),
        stored.custom_headers.key_id.as_deref(),
        Json(&record.tool_allow_list),
        Json(&record.tool_deny_list),
        record.availability.as_str(),
        record.enabled,
        record.model_intent,
        Micros::from(record.updated_at),
        record.updated_by,
        record.version,
        record.credential_version,
    )
    .map(|_| ())
}

/// Removes a server; true when it was there.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM mcp_servers WHERE id = $1", id)? > 0)
}
