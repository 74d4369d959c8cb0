//! What a server was found to speak (protocol.md E3): found by whichever replica asked it, shared by all.

use crate::{Micros, Result, Session, Write};
use api::{Timestamp, Uuid};

/// Holds as long as the server's address and transport are those it was found under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `stateless`, `streamable` or `sse`.
    pub wire: String,
    /// The revision of MCP.
    pub revision: String,
    /// Self-reported; may be empty.
    pub server_name: String,
    /// Self-reported; may be empty.
    pub server_version: String,
    pub found_at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(super) struct FactsRow {
    facts_wire: Option<String>,
    facts_revision: Option<String>,
    facts_server_name: Option<String>,
    facts_server_version: Option<String>,
    facts_found_at: Option<Micros>,
}

impl FactsRow {
    /// The columns of the alias `f`.
    pub(super) const SELECTED: &'static str = "f.wire AS facts_wire, f.revision AS facts_revision, f.server_name AS facts_server_name, \
         f.server_version AS facts_server_version, f.found_at AS facts_found_at";

    pub(super) fn facts(self) -> Option<ServerFacts> {
        Some(ServerFacts {
            wire: self.facts_wire?,
            revision: self.facts_revision?,
            server_name: self.facts_server_name?,
            server_version: self.facts_server_version?,
            found_at: self.facts_found_at?.into(),
        })
    }
}

/// The address of a server as it is stored.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_url(session: &mut Session, id: Uuid) -> Result<Option<String>> {
    let sql = "SELECT url FROM mcp_servers WHERE id = $1 AND setup_until IS NULL";
    Ok(fetch_optional!(session, (String,), sql, id)?.map(|(url,)| url))
}

/// Keeps what was found at this address; false when there is no such server any more, or it has moved meanwhile.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_facts_put(write: &mut Write, id: Uuid, url: &str, facts: &ServerFacts) -> Result<bool> {
    let sql = "INSERT INTO mcp_server_facts (mcp_server_id, url, transport, wire, revision, server_name, server_version, found_at) \
               SELECT s.id, s.url, s.transport, $3, $4, $5, $6, $7 FROM mcp_servers s WHERE s.id = $1 AND s.url = $2 AND s.setup_until IS NULL \
               ON CONFLICT (mcp_server_id) DO UPDATE SET url = excluded.url, transport = excluded.transport, wire = excluded.wire, \
               revision = excluded.revision, server_name = excluded.server_name, server_version = excluded.server_version, \
               found_at = excluded.found_at";
    let done = execute!(
        write,
        sql,
        id,
        url,
        facts.wire.as_str(),
        facts.revision.as_str(),
        facts.server_name.as_str(),
        facts.server_version.as_str(),
        Micros::from(facts.found_at)
    )?;
    Ok(done > 0)
}
