//! Which groups a server is limited to (behaviour 2). No row: it is open to everybody.

use crate::{Result, Session, Write};
use api::Uuid;
use std::collections::HashMap;

/// The groups of one server, ascending.
pub(super) async fn of_server(session: &mut Session, id: Uuid) -> Result<Vec<Uuid>> {
    let sql = "SELECT group_id FROM mcp_server_groups WHERE mcp_server_id = $1 ORDER BY group_id";
    Ok(fetch_all!(session, (Uuid,), sql, id)?.into_iter().map(|(group,)| group).collect())
}

/// The groups of the servers after `(name, id)` in the order of lists, `limit` servers on.
pub(super) async fn of_page(
    session: &mut Session,
    name: &str,
    id: Uuid,
    limit: i64,
) -> Result<HashMap<Uuid, Vec<Uuid>>> {
    let sql = "SELECT g.mcp_server_id, g.group_id FROM (SELECT s.id FROM mcp_servers s \
               WHERE s.setup_until IS NULL AND lower(s.display_name) >= $1 AND (lower(s.display_name) > $1 OR s.id > $2) ORDER BY lower(s.display_name), s.id LIMIT $3) p \
               JOIN mcp_server_groups g ON g.mcp_server_id = p.id ORDER BY g.group_id";
    let mut found: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (server, group) in fetch_all!(session, (Uuid, Uuid), sql, name, id, limit)? {
        found.entry(server).or_default().push(group);
    }
    Ok(found)
}

/// Limits a server to these groups, which exist ([`groups_unknown`]); none opens it to everybody.
///
/// # Errors
/// A conflict when a group or the server does not exist.
pub async fn server_groups_replace(write: &mut Write, server: Uuid, groups: &[Uuid]) -> Result<()> {
    execute!(write, "DELETE FROM mcp_server_groups WHERE mcp_server_id = $1", server)?;
    for group in groups {
        let sql = "INSERT INTO mcp_server_groups (mcp_server_id, group_id) VALUES ($1, $2)";
        execute!(write, sql, server, *group)?;
    }
    Ok(())
}

/// Those of `groups` that do not exist. The others stay until the end of the transaction.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn groups_unknown(write: &mut Write, groups: &[Uuid]) -> Result<Vec<Uuid>> {
    let lock = if write.is_postgres() { " FOR KEY SHARE" } else { "" };
    let mut unknown = Vec::new();
    for group in groups {
        let sql = sqlx::AssertSqlSafe(format!("SELECT id FROM groups WHERE id = $1{lock}"));
        if fetch_optional!(write, (Uuid,), sql, *group)?.is_none() {
            unknown.push(*group);
        }
    }
    Ok(unknown)
}
