//! The definitions of tools that were listed, and which of them are accepted (behaviour 13, protocol.md T6).

use crate::{Micros, Result, Session, StoreError, Write};
use api::{Timestamp, Uuid, servers::ToolChangePolicy};
use domain::definitions::{KnownDefinition, KnownDefinitions};

/// Accepted definitions kept of one tool.
const ACCEPTED_KEPT: i64 = 8;

/// One definition as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDefinition {
    pub name: String,
    /// Hex SHA-256.
    pub hash: String,
    /// JSON, as the server sent it.
    pub definition: String,
    pub first_seen_at: Timestamp,
    /// When it became the listed one of its tool.
    pub listed_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub accepted_by: Option<Uuid>,
    pub gone_since: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct DefinitionRow {
    name: String,
    hash: String,
    definition: String,
    first_seen_at: Micros,
    listed_at: Micros,
    accepted_at: Option<Micros>,
    accepted_by: Option<Uuid>,
    gone_since: Option<Micros>,
}

impl From<DefinitionRow> for StoredDefinition {
    fn from(row: DefinitionRow) -> Self {
        Self {
            name: row.name,
            hash: row.hash,
            definition: row.definition,
            first_seen_at: row.first_seen_at.into(),
            listed_at: row.listed_at.into(),
            accepted_at: row.accepted_at.map(Into::into),
            accepted_by: row.accepted_by,
            gone_since: row.gone_since.map(Into::into),
        }
    }
}

/// What is known of a server's definitions, without their texts.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_known(session: &mut Session, server: Uuid) -> Result<KnownDefinitions> {
    let sql = "SELECT COUNT(*) FROM mcp_tool_lists WHERE mcp_server_id = $1";
    let (lists,): (i64,) = fetch_one!(session, (i64,), sql, server)?;
    let sql = "SELECT name, hash, accepted_at IS NOT NULL, gone_since IS NOT NULL FROM mcp_tool_definitions \
               WHERE mcp_server_id = $1 ORDER BY name, listed_at, hash";
    let rows = fetch_all!(session, (String, String, bool, bool), sql, server)?;
    let known =
        rows.into_iter().map(|(name, hash, accepted, gone)| KnownDefinition { name, hash, accepted, gone });
    Ok(KnownDefinitions::new(lists > 0, known))
}

/// Every stored definition of a server, by name, that which was listed last at the end of its tool.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_list(session: &mut Session, server: Uuid) -> Result<Vec<StoredDefinition>> {
    let sql = "SELECT name, hash, definition, first_seen_at, listed_at, accepted_at, accepted_by, gone_since \
               FROM mcp_tool_definitions WHERE mcp_server_id = $1 ORDER BY name, listed_at, hash";
    Ok(fetch_all!(session, DefinitionRow, sql, server)?.into_iter().map(Into::into).collect())
}

/// The definition of a tool that was listed last.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definition_listed(
    session: &mut Session,
    server: Uuid,
    name: &str,
) -> Result<Option<StoredDefinition>> {
    let sql = "SELECT name, hash, definition, first_seen_at, listed_at, accepted_at, accepted_by, gone_since \
               FROM mcp_tool_definitions WHERE mcp_server_id = $1 AND name = $2 ORDER BY listed_at DESC, hash DESC LIMIT 1";
    Ok(fetch_optional!(session, DefinitionRow, sql, server, name)?.map(Into::into))
}

/// What is known of one tool of a server.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_known_of(
    session: &mut Session,
    server: Uuid,
    name: &str,
) -> Result<KnownDefinitions> {
    let sql = "SELECT name, hash, accepted_at IS NOT NULL, gone_since IS NOT NULL FROM mcp_tool_definitions \
               WHERE mcp_server_id = $1 AND name = $2 ORDER BY listed_at, hash";
    let rows = fetch_all!(session, (String, String, bool, bool), sql, server, name)?;
    let known =
        rows.into_iter().map(|(name, hash, accepted, gone)| KnownDefinition { name, hash, accepted, gone });
    Ok(KnownDefinitions::new(true, known))
}

/// Forgets the tools that a server no longer has: there is no room for those it has.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_purge_gone(write: &mut Write, server: Uuid) -> Result<u64> {
    let sql = "DELETE FROM mcp_tool_definitions WHERE mcp_server_id = $1 AND gone_since IS NOT NULL";
    execute!(write, sql, server)
}

/// The rows of a server are changed by one transaction at a time. Its policy and address as they are now; `None` when there is no such
/// server.
///
/// # Errors
/// [`crate::StoreError`].
pub async fn definitions_lock(write: &mut Write, server: Uuid) -> Result<Option<(ToolChangePolicy, String)>> {
    let sql = if write.is_postgres() {
        "SELECT tool_change_policy, url FROM mcp_servers WHERE id = $1 AND setup_until IS NULL FOR NO KEY UPDATE"
    } else {
        "SELECT tool_change_policy, url FROM mcp_servers WHERE id = $1 AND setup_until IS NULL"
    };
    let Some((policy, url)) = fetch_optional!(write, (String, String), sql, server)? else { return Ok(None) };
    let policy = ToolChangePolicy::parse(&policy).ok_or_else(|| StoreError::Inconsistent {
        table: "mcp_servers",
        column: "tool_change_policy",
        row: server.to_string(),
    })?;
    Ok(Some((policy, url)))
}

/// Notes that a server was listed for the first time.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_first_listed(write: &mut Write, server: Uuid, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO mcp_tool_lists (mcp_server_id, first_listed_at) VALUES ($1, $2) ON CONFLICT (mcp_server_id) DO NOTHING";
    execute!(write, sql, server, Micros::from(at)).map(|_| ())
}

/// Stores a definition that is listed now. One of its tool that still waits goes; of the accepted ones the last eight are kept.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definition_put(
    write: &mut Write,
    server: Uuid,
    name: &str,
    hash: &str,
    definition: &str,
    accepted: bool,
    at: Timestamp,
) -> Result<()> {
    let at = after_all(write, server, name, at).await?;
    let sql =
        "DELETE FROM mcp_tool_definitions WHERE mcp_server_id = $1 AND name = $2 AND accepted_at IS NULL";
    execute!(write, sql, server, name)?;
    let sql = "DELETE FROM mcp_tool_definitions WHERE mcp_server_id = $1 AND name = $2 AND hash NOT IN (SELECT hash FROM \
               mcp_tool_definitions WHERE mcp_server_id = $1 AND name = $2 ORDER BY listed_at DESC LIMIT $3)";
    execute!(write, sql, server, name, ACCEPTED_KEPT)?;
    let sql = "INSERT INTO mcp_tool_definitions (mcp_server_id, name, hash, definition, first_seen_at, listed_at, accepted_at) \
               VALUES ($1, $2, $3, $4, $5, $5, CASE WHEN $6 THEN $5 END)";
    execute!(write, sql, server, name, hash, definition, at, accepted)?;
    definitions_not_gone(write, server, name).await
}

/// Later than every listing of the tool, also when clocks stand still or disagree.
async fn after_all(write: &mut Write, server: Uuid, name: &str, at: Timestamp) -> Result<Micros> {
    let sql =
        "SELECT COALESCE(MAX(listed_at), 0) FROM mcp_tool_definitions WHERE mcp_server_id = $1 AND name = $2";
    let (Micros(last),): (Micros,) = fetch_one!(write, (Micros,), sql, server, name)?;
    let Micros(at) = Micros::from(at);
    Ok(Micros(at.max(last + 1)))
}

async fn definitions_not_gone(write: &mut Write, server: Uuid, name: &str) -> Result<()> {
    let sql = "UPDATE mcp_tool_definitions SET gone_since = NULL WHERE mcp_server_id = $1 AND name = $2 AND gone_since IS NOT NULL";
    execute!(write, sql, server, name).map(|_| ())
}

/// A known definition is the listed one again.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definition_returned(
    write: &mut Write,
    server: Uuid,
    name: &str,
    hash: &str,
    at: Timestamp,
) -> Result<()> {
    let sql =
        "UPDATE mcp_tool_definitions SET listed_at = $4 WHERE mcp_server_id = $1 AND name = $2 AND hash = $3";
    let at = after_all(write, server, name, at).await?;
    execute!(write, sql, server, name, hash, at)?;
    definitions_not_gone(write, server, name).await
}

/// A full listing no longer has the tool.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definition_gone(write: &mut Write, server: Uuid, name: &str, at: Timestamp) -> Result<()> {
    let sql = "UPDATE mcp_tool_definitions SET gone_since = $3 WHERE mcp_server_id = $1 AND name = $2 AND gone_since IS NULL";
    execute!(write, sql, server, name, Micros::from(at)).map(|_| ())
}

/// Somebody said yes to a definition; false when it is not stored, or was accepted before.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definition_accept(
    write: &mut Write,
    server: Uuid,
    name: &str,
    hash: &str,
    by: Uuid,
    at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE mcp_tool_definitions SET accepted_at = $5, accepted_by = $4 WHERE mcp_server_id = $1 AND name = $2 AND hash = $3 \
               AND accepted_at IS NULL";
    Ok(execute!(write, sql, server, name, hash, by, Micros::from(at))? > 0)
}

/// All that waits is accepted: the server's policy is to accept from now on.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn definitions_accept_all(
    write: &mut Write,
    server: Uuid,
    by: Option<Uuid>,
    at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE mcp_tool_definitions SET accepted_at = $3, accepted_by = $2 WHERE mcp_server_id = $1 AND accepted_at IS NULL";
    execute!(write, sql, server, by, Micros::from(at)).map(|_| ())
}
