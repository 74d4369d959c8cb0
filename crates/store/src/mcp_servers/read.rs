//! Who finds which server: the one place that knows (behaviour 2). Whatever a reader must not see is not in the answer.

use super::{ServerFacts, ServerRow, StoredServer, facts::FactsRow, groups, selected};
use crate::{
    Result, Session,
    oauth::{OAuthFacts, OAuthFactsRow, TokenRow, UserToken},
    search::contains_pattern,
    user_header_values::{UserHeaderRecord, ValuesRow},
};
use api::Uuid;
use std::sync::LazyLock;

/// Whose eyes.
///
/// Members find enabled servers that are open to them: limited to no group, or to one of theirs. The role of an owner or admin
/// opens every server, for lists and for use: "all operations", and who may edit the limit could lift it. An auditor *reads*
/// everything, but *uses* servers (chats, `check`, own values) as a member does; that takes a second `Reader` with
/// `every_group` off. Turns add `disabled: false` for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// Whose groups and whose stored values.
    pub user_id: Uuid,
    /// Disabled servers too.
    pub disabled: bool,
    /// Servers limited to other groups too.
    pub every_group: bool,
}

impl Reader {
    /// Every server, on behalf of `user_id`.
    pub fn of_everything(user_id: Uuid) -> Self {
        Self { user_id, disabled: true, every_group: true }
    }
}

/// A server, and what the reader has stored for it.
#[derive(Debug, Clone)]
pub struct FoundServer {
    pub stored: StoredServer,
    pub values: Option<UserHeaderRecord>,
    /// What it was found to speak, where it is now.
    pub facts: Option<ServerFacts>,
    /// What the provider gave the reader for it.
    pub token: Option<UserToken>,
    /// What is known of the provider that it has now.
    pub oauth: Option<OAuthFacts>,
}

impl FoundServer {
    /// A server for which nobody has stored anything.
    pub fn plain(stored: StoredServer) -> Self {
        Self { stored, values: None, facts: None, token: None, oauth: None }
    }
}

/// A place in the list: behind the server of this name (lower case) and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    name: String,
    id: Uuid,
}

impl Cursor {
    /// Before the first: no name is empty.
    fn start() -> Self {
        Self { name: String::new(), id: Uuid::nil() }
    }
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    server: ServerRow,
    limited: bool,
    #[sqlx(flatten)]
    values: ValuesRow,
    #[sqlx(flatten)]
    facts: FactsRow,
    #[sqlx(flatten)]
    token: TokenRow,
    #[sqlx(flatten)]
    oauth: OAuthFactsRow,
}

impl FoundRow {
    fn found(self, reader: Reader, groups: Vec<Uuid>) -> Result<FoundServer> {
        Ok(FoundServer {
            values: self.values.record(self.server.id, reader.user_id),
            facts: self.facts.facts(),
            token: self.token.token()?,
            oauth: self.oauth.facts(),
            stored: self.server.stored(groups)?,
        })
    }
}

/// What `$1` (user), `$2` (disabled ones too) and `$3` (every group) find. A row in setup is found by nobody.
const OPEN: &str = "s.setup_until IS NULL AND ($2 OR s.enabled) AND ($3 \
     OR NOT EXISTS (SELECT 1 FROM mcp_server_groups g WHERE g.mcp_server_id = s.id) \
     OR EXISTS (SELECT 1 FROM mcp_server_groups g JOIN group_members m ON m.group_id = g.group_id \
     WHERE g.mcp_server_id = s.id AND m.user_id = $1))";

/// `SELECT … WHERE` what a reader finds `AND` …
fn select(and: &str) -> String {
    format!(
        "SELECT {}, EXISTS (SELECT 1 FROM mcp_server_groups g WHERE g.mcp_server_id = s.id) AS limited, {}, {}, {}, {} FROM mcp_servers s \
         LEFT JOIN user_header_values v ON v.mcp_server_id = s.id AND v.user_id = $1 \
         LEFT JOIN mcp_server_facts f ON f.mcp_server_id = s.id AND f.url = s.url AND f.transport = s.transport \
         LEFT JOIN mcp_user_tokens t ON t.mcp_server_id = s.id AND t.user_id = $1 \
         LEFT JOIN mcp_oauth_facts o ON o.mcp_server_id = s.id AND o.issuer = s.oauth2_issuer AND o.token_url = s.oauth2_token_url \
         WHERE {OPEN} AND {and}",
        selected(),
        ValuesRow::SELECTED,
        FactsRow::SELECTED,
        TokenRow::selected("t."),
        OAuthFactsRow::SELECTED,
    )
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    // Not as a comparison of rows: SQLite would read the index from its beginning.
    select(
        "lower(s.display_name) >= $4 AND (lower(s.display_name) > $4 OR s.id > $5) \
         ORDER BY lower(s.display_name), s.id LIMIT $6",
    )
});
static SEARCH: LazyLock<String> = LazyLock::new(|| {
    // The address is searched for those alone who may read it: a member could guess it letter by letter.
    select(
        "($7 = '%%' OR lower(s.display_name) LIKE $7 ESCAPE '!' OR lower(s.slug) LIKE $7 ESCAPE '!' \
         OR ($2 AND $3 AND lower(s.url) LIKE $7 ESCAPE '!')) AND ($8 IS NULL OR s.enabled = $8) \
         AND (lower(s.display_name), s.id) > ($4, $5) ORDER BY lower(s.display_name), s.id LIMIT $6",
    )
});
static ONE: LazyLock<String> = LazyLock::new(|| select("s.id = $4"));
static FORCED: LazyLock<String> =
    LazyLock::new(|| select("s.availability = 'force_on' ORDER BY lower(s.display_name), s.id"));
static DEFAULTS: LazyLock<String> = LazyLock::new(|| {
    select("s.availability IN ('force_on', 'default_on') ORDER BY lower(s.display_name), s.id")
});

/// Where a page begins that follows the server `after`; `None` when the reader does not find it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_cursor(session: &mut Session, reader: Reader, after: Uuid) -> Result<Option<Cursor>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT lower(s.display_name) FROM mcp_servers s WHERE {OPEN} AND s.id = $4"
    ));
    let Reader { user_id, disabled, every_group } = reader;
    let row = fetch_optional!(session, (String,), sql, user_id, disabled, every_group, after)?;
    Ok(row.map(|(name,)| Cursor { name, id: after }))
}

/// Servers by display name, then id: those behind `after`, at most `limit`. A page costs the same wherever it begins.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_list(
    session: &mut Session,
    reader: Reader,
    after: Option<Cursor>,
    limit: Option<i64>,
) -> Result<Vec<FoundServer>> {
    let Cursor { name, id } = after.unwrap_or_else(Cursor::start);
    let limit = limit.unwrap_or(i64::MAX);
    let Reader { user_id, disabled, every_group } = reader;
    let rows = fetch_all!(
        session,
        FoundRow,
        PAGE.as_str(),
        user_id,
        disabled,
        every_group,
        name.as_str(),
        id,
        limit
    )?;
    // Those who find everything see the groups, and for them the page is a stretch of the whole list.
    let mut groups = if rows.iter().any(|row| row.limited) && disabled && every_group {
        groups::of_page(session, &name, id, limit).await?
    } else {
        Default::default()
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let groups = match groups.remove(&row.server.id) {
            Some(groups) => groups,
            None if row.limited => groups::of_server(session, row.server.id).await?,
            None => Vec::new(),
        };
        found.push(row.found(reader, groups)?);
    }
    Ok(found)
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Part of the display name or slug, and of the URL for those who read it; empty: all.
    pub q: &'a str,
    /// Only enabled, only disabled ones.
    pub enabled: Option<bool>,
}

/// As [`server_list`], only what is `wanted`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_search(
    session: &mut Session,
    reader: Reader,
    wanted: Wanted<'_>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<FoundServer>> {
    let Cursor { name, id } = after.unwrap_or_else(Cursor::start);
    let Reader { user_id, disabled, every_group } = reader;
    let rows = fetch_all!(
        session,
        FoundRow,
        SEARCH.as_str(),
        user_id,
        disabled,
        every_group,
        name.as_str(),
        id,
        limit,
        contains_pattern(wanted.q),
        wanted.enabled
    )?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(with_groups(session, reader, row).await?);
    }
    Ok(found)
}

/// One server, if the reader finds it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_get(session: &mut Session, reader: Reader, id: Uuid) -> Result<Option<FoundServer>> {
    let Reader { user_id, disabled, every_group } = reader;
    let row = fetch_optional!(session, FoundRow, ONE.as_str(), user_id, disabled, every_group, id)?;
    match row {
        Some(row) => with_groups(session, reader, row).await.map(Some),
        None => Ok(None),
    }
}

async fn with_groups(session: &mut Session, reader: Reader, row: FoundRow) -> Result<FoundServer> {
    let groups = if row.limited { groups::of_server(session, row.server.id).await? } else { Vec::new() };
    row.found(reader, groups)
}

/// Which servers come without having been chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// A step: the forced ones.
    Forced,
    /// A new chat: those that are on by default too.
    Defaults,
}

/// What a chat is completed and checked with: the servers that come by themselves, by display name, and those of `chosen`;
/// of both only what the reader finds. One that nobody chose and nothing forces is not read, so a step costs the same
/// however many servers there are.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn server_candidates(
    session: &mut Session,
    reader: Reader,
    which: Candidates,
    chosen: &[Uuid],
) -> Result<Vec<FoundServer>> {
    let sql = match which {
        Candidates::Forced => FORCED.as_str(),
        Candidates::Defaults => DEFAULTS.as_str(),
    };
    let Reader { user_id, disabled, every_group } = reader;
    let mut found = Vec::new();
    for row in fetch_all!(session, FoundRow, sql, user_id, disabled, every_group)? {
        found.push(with_groups(session, reader, row).await?);
    }
    for id in chosen {
        if !found.iter().any(|known: &FoundServer| known.stored.record.id == *id)
            && let Some(server) = server_get(session, reader, *id).await?
        {
            found.push(server);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, DbConfig};

    /// `limit=50` costs the same at 10 000 servers as at 1 000: a page is read from the index, from where it begins, and
    /// nothing is sorted.
    #[tokio::test]
    async fn a_page_is_read_from_the_index() {
        let folder = testkit::temp::TempDir::new();
        let config = DbConfig::Sqlite { path: folder.path().join("test.sqlite") };
        let Db::Sqlite { readers, .. } = Db::open(&config).await.unwrap() else { panic!("SQLite") };
        for (sql, index) in [
            (PAGE.as_str(), "SEARCH s USING INDEX mcp_servers_name_idx"),
            (FORCED.as_str(), "SEARCH s USING INDEX mcp_servers_availability_idx"),
            (ONE.as_str(), "SEARCH s USING INDEX sqlite_autoindex_mcp_servers_1"),
        ] {
            let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explained).fetch_all(&readers).await.unwrap();
            let plan: Vec<String> = rows.into_iter().map(|(.., detail)| detail).collect();
            assert!(plan.iter().any(|step| step.starts_with(index)), "{plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("SCAN")), "{plan:#?}");
            assert!(
                sql != PAGE.as_str() || !plan.iter().any(|step| step.contains("TEMP B-TREE")),
                "{plan:#?}"
            );
        }
    }
}
