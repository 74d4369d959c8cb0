//! MCP servers (behaviour 3): the row, and how it is written. [`mod@read`] says who finds it.

mod definitions;
mod facts;
mod groups;
mod health;
mod read;
mod setup;

pub use definitions::{
    StoredDefinition, definition_accept, definition_gone, definition_listed, definition_put,
    definition_returned, definitions_accept_all, definitions_first_listed, definitions_known,
    definitions_known_of, definitions_list, definitions_lock, definitions_purge_gone,
};
pub use facts::{ServerFacts, server_facts_put, server_url};
pub use groups::{groups_unknown, server_groups_replace};
pub use health::{
    FleetFilter, FleetRow, HealthRecord, fleet_counts, fleet_list, health_check_claim, health_forget,
    health_put,
};
pub use read::{
    Candidates, Cursor, FoundServer, Reader, Wanted, server_candidates, server_cursor, server_get,
    server_list, server_search,
};
pub use setup::{
    server_insert_in_setup, server_setup_finish, server_setup_get_for_update, server_setup_remove,
    servers_setup_sweep,
};

use crate::{Micros, Result, SealedColumn, Session, StoreError, Write, schema::column_exists};
use api::{
    Uuid,
    servers::{AuthType, Availability, OAuth2Registration, ToolChangePolicy, Transport, UserHeader},
};
use domain::mcp_server::{OAuth2Settings, ServerRecord};
use sqlx::types::Json;

/// A server as stored: its record, and its secrets as they lie in the row.
#[derive(Debug, Clone)]
pub struct StoredServer {
    pub record: ServerRecord,
    pub api_key: SealedColumn,
    /// The whole map as one JSON text, sealed.
    pub custom_headers: SealedColumn,
    pub oauth2_client_secret: SealedColumn,
    pub signing_secret: SealedColumn,
}

impl StoredServer {
    /// A server without any secret.
    pub fn plain(record: ServerRecord) -> Self {
        Self {
            record,
            api_key: SealedColumn::default(),
            custom_headers: SealedColumn::default(),
            oauth2_client_secret: SealedColumn::default(),
            signing_secret: SealedColumn::default(),
        }
    }
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
    oauth2_client_id: String,
    oauth2_client_secret: Option<Vec<u8>>,
    oauth2_client_secret_key_id: Option<String>,
    oauth2_auth_url: String,
    oauth2_token_url: String,
    oauth2_revocation_url: String,
    oauth2_scopes: String,
    oauth2_issuer: String,
    oauth2_registration: String,
    oauth2_secret_wiped: bool,
    user_headers: Json<Vec<UserHeader>>,
    tool_allow_list: Json<Vec<String>>,
    tool_deny_list: Json<Vec<String>>,
    tool_idempotent_list: Json<Vec<String>>,
    tool_approval_list: Json<Vec<String>>,
    availability: String,
    enabled: bool,
    model_intent: bool,
    allow_in_plan_mode: bool,
    forward_coder_headers: bool,
    signing_secret: Option<Vec<u8>>,
    signing_secret_key_id: Option<String>,
    send_trace_context: bool,
    use_instructions: bool,
    tool_change_policy: String,
    created_at: Micros,
    updated_at: Micros,
    created_by: Option<Uuid>,
    updated_by: Option<Uuid>,
    version: i64,
    credential_version: i64,
}

/// In the order in which they are written.
const COLUMNS: [&str; 44] = [
    "id",
    "display_name",
    "slug",
    "description",
    "icon_url",
    "transport",
    "url",
    "auth_type",
    "api_key_header",
    "api_key_value",
    "api_key_value_key_id",
    "custom_headers",
    "custom_headers_key_id",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_client_secret_key_id",
    "oauth2_auth_url",
    "oauth2_token_url",
    "oauth2_revocation_url",
    "oauth2_scopes",
    "oauth2_issuer",
    "oauth2_registration",
    "oauth2_secret_wiped",
    "user_headers",
    "tool_allow_list",
    "tool_deny_list",
    "tool_idempotent_list",
    "tool_approval_list",
    "availability",
    "enabled",
    "model_intent",
    "allow_in_plan_mode",
    "forward_coder_headers",
    "signing_secret",
    "signing_secret_key_id",
    "send_trace_context",
    "use_instructions",
    "tool_change_policy",
    "updated_at",
    "updated_by",
    "version",
    "credential_version",
    // Never changed.
    "created_at",
    "created_by",
];
/// How many of [`COLUMNS`], the id among them, an update writes.
const CHANGEABLE: usize = COLUMNS.len() - 2;

/// The columns of the alias `s`.
fn selected() -> String {
    COLUMNS.map(|column| format!("s.{column}")).join(", ")
}

impl ServerRow {
    /// `groups`: what [`groups`] found for it.
    fn stored(self, groups: Vec<Uuid>) -> Result<StoredServer> {
        let row = self;
        let impossible =
            |column| StoreError::Inconsistent { table: "mcp_servers", column, row: row.id.to_string() };
        let transport = Transport::parse(&row.transport).ok_or_else(|| impossible("transport"))?;
        let auth_type = AuthType::parse(&row.auth_type).ok_or_else(|| impossible("auth_type"))?;
        let availability =
            Availability::parse(&row.availability).ok_or_else(|| impossible("availability"))?;
        let tool_change_policy = ToolChangePolicy::parse(&row.tool_change_policy)
            .ok_or_else(|| impossible("tool_change_policy"))?;
        let registration = match row.oauth2_registration.as_str() {
            "" => None,
            text => Some(OAuth2Registration::parse(text).ok_or_else(|| impossible("oauth2_registration"))?),
        };
        Ok(StoredServer {
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
                oauth2: OAuth2Settings {
                    client_id: row.oauth2_client_id,
                    auth_url: row.oauth2_auth_url,
                    token_url: row.oauth2_token_url,
                    revocation_url: row.oauth2_revocation_url,
                    scopes: row.oauth2_scopes,
                    issuer: row.oauth2_issuer,
                    registration,
                    secret_wiped: row.oauth2_secret_wiped,
                },
                has_oauth2_secret: row.oauth2_client_secret.is_some(),
                user_headers: row.user_headers.0,
                tool_allow_list: row.tool_allow_list.0,
                tool_deny_list: row.tool_deny_list.0,
                tool_idempotent_list: row.tool_idempotent_list.0,
                tool_approval_list: row.tool_approval_list.0,
                availability,
                enabled: row.enabled,
                model_intent: row.model_intent,
                allow_in_plan_mode: row.allow_in_plan_mode,
                forward_coder_headers: row.forward_coder_headers,
                has_signing_secret: row.signing_secret.is_some(),
                send_trace_context: row.send_trace_context,
                use_instructions: row.use_instructions,
                tool_change_policy,
                allowed_group_ids: groups,
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
            oauth2_client_secret: SealedColumn {
                ciphertext: row.oauth2_client_secret,
                key_id: row.oauth2_client_secret_key_id,
            },
            signing_secret: SealedColumn {
                ciphertext: row.signing_secret,
                key_id: row.signing_secret_key_id,
            },
        })
    }
}

/// Runs `$sql` with the values of [`COLUMNS`] in their order, `$more` after those that an update writes.
macro_rules! write_row {
    ($write:expr, $sql:expr, $stored:expr $(, $more:expr)*) => {{
        let (stored, record, oauth2) = (&$stored, &$stored.record, &$stored.record.oauth2);
        execute!(
            $write,
            $sql,
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
            &oauth2.client_id,
            stored.oauth2_client_secret.ciphertext.as_deref(),
            stored.oauth2_client_secret.key_id.as_deref(),
            &oauth2.auth_url,
            &oauth2.token_url,
            &oauth2.revocation_url,
            &oauth2.scopes,
            &oauth2.issuer,
            oauth2.registration.map_or("", OAuth2Registration::as_str),
            oauth2.secret_wiped,
            Json(&record.user_headers),
            Json(&record.tool_allow_list),
            Json(&record.tool_deny_list),
            Json(&record.tool_idempotent_list),
            Json(&record.tool_approval_list),
            record.availability.as_str(),
            record.enabled,
            record.model_intent,
            record.allow_in_plan_mode,
            record.forward_coder_headers,
            stored.signing_secret.ciphertext.as_deref(),
            stored.signing_secret.key_id.as_deref(),
            record.send_trace_context,
            record.use_instructions,
            record.tool_change_policy.as_str(),
            Micros::from(record.updated_at),
            record.updated_by,
            record.version,
            record.credential_version,
            $($more,)*
        )
    }};
}

/// One server whoever asks, locked until the end of the transaction: two admins must not merge into each other.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_get_for_update(write: &mut Write, id: Uuid) -> Result<Option<StoredServer>> {
    get_for_update(write, id, "s.setup_until IS NULL").await
}

async fn get_for_update(write: &mut Write, id: Uuid, and: &str) -> Result<Option<StoredServer>> {
    let lock = if write.is_postgres() { " FOR UPDATE" } else { "" };
    let columns = selected();
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {columns} FROM mcp_servers s WHERE s.id = $1 AND {and}{lock}"));
    let Some(row) = fetch_optional!(write, ServerRow, sql, id)? else { return Ok(None) };
    let groups = groups::of_server(write, id).await?;
    row.stored(groups).map(Some)
}

/// Keeps a server as it is until the end of the transaction: what a user enters is meant for it as it is now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_hold(write: &mut Write, id: Uuid) -> Result<()> {
    // SQLite has one writer, and we are it.
    if write.is_postgres() {
        execute!(write, "SELECT 1 FROM mcp_servers WHERE id = $1 FOR SHARE", id)?;
    }
    Ok(())
}

/// The id of the server with this slug, whatever its case. A row in setup has taken its slug and is not found all the same.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_id_by_slug(session: &mut Session, slug: &str) -> Result<Option<Uuid>> {
    let sql = "SELECT id FROM mcp_servers WHERE lower(slug) = lower($1) AND setup_until IS NULL";
    Ok(fetch_optional!(session, (Uuid,), sql, slug)?.map(|(id,)| id))
}

/// The slug of a server, for the audit log.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_slug(session: &mut Session, id: Uuid) -> Result<Option<String>> {
    let sql = "SELECT slug FROM mcp_servers WHERE id = $1 AND setup_until IS NULL";
    Ok(fetch_optional!(session, (String,), sql, id)?.map(|(slug,)| slug))
}

/// A new server with its groups.
///
/// # Errors
/// A conflict on `slug`.
pub async fn server_insert(write: &mut Write, stored: &StoredServer) -> Result<()> {
    let (columns, places) = (COLUMNS.join(", "), placeholders(1..=COLUMNS.len()));
    let sql = sqlx::AssertSqlSafe(format!("INSERT INTO mcp_servers ({columns}) VALUES ({places})"));
    write_row!(write, sql, stored, Micros::from(stored.record.created_at), stored.record.created_by)?;
    if !stored.record.allowed_group_ids.is_empty() {
        server_groups_replace(write, stored.record.id, &stored.record.allowed_group_ids).await?;
    }
    Ok(())
}

/// Writes every field of an existing server, in setup or real, but its groups, which have [`server_groups_replace`].
///
/// # Errors
/// A conflict on `slug`.
pub async fn server_update(write: &mut Write, stored: &StoredServer) -> Result<()> {
    let set: Vec<String> = COLUMNS[1..CHANGEABLE]
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{column} = ${}", at + 2))
        .collect();
    let sql = sqlx::AssertSqlSafe(format!("UPDATE mcp_servers SET {} WHERE id = $1", set.join(", ")));
    write_row!(write, sql, stored).map(|_| ())
}

fn placeholders(range: std::ops::RangeInclusive<usize>) -> String {
    range.map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// Removes a server; true when it was there. One in setup has [`server_setup_remove`].
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn server_delete(write: &mut Write, id: Uuid) -> Result<bool> {
    Ok(execute!(write, "DELETE FROM mcp_servers WHERE id = $1 AND setup_until IS NULL", id)? > 0)
}

/// Servers whose authentication type this build does not know: slug and type. Such a database is not served (behaviour 3).
/// Runs before migrations too, so it cannot ask which of them are in setup.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn servers_of_unknown_type(session: &mut Session) -> Result<Vec<(String, String)>> {
    if !column_exists(session, "mcp_servers", "auth_type").await? {
        return Ok(Vec::new());
    }
    // The words come from our own enumeration.
    let known = AuthType::ALL.iter().map(|known| format!("'{}'", known.as_str())).collect::<Vec<_>>();
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT slug, auth_type FROM mcp_servers WHERE auth_type NOT IN ({}) ORDER BY slug LIMIT 100",
        known.join(", ")
    ));
    fetch_all!(session, (String, String), sql)
}
