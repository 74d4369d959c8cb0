//! The list of somebody's chats (behaviour 17): the pinned ones in their order, then the last changed first.

use super::{COLUMNS, ChatRecord, ChatRow, chat_get};
use crate::{Micros, Result, Session, session::Engine};
use api::Uuid;
use sqlx::{Database, Encode, QueryBuilder, Type};

/// The rank of chats that are not pinned: behind every `pin_order` that the table allows.
const NOT_PINNED: i64 = 1_000_001;
/// As `chats_list_idx` has it, so that a page costs a page however many chats there are.
const RANK: &str = "(CASE WHEN pin_order = 0 THEN 1000001 ELSE pin_order END)";

/// Which chats are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatFilter<'a> {
    pub archived: bool,
    /// Only those with this label, and with this value of it if one is named.
    pub label: Option<(&'a str, Option<&'a str>)>,
}

/// A page of the chats of `owner`; `after` is the last id of the page before.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn chat_list(
    session: &mut Session,
    owner: Uuid,
    filter: ChatFilter<'_>,
    limit: i64,
    after: Option<Uuid>,
) -> Result<Vec<ChatRecord>> {
    let after = match after {
        None => None,
        // Without its place there is nothing behind it.
        Some(id) => match chat_get(session, owner, id).await? {
            None => return Ok(Vec::new()),
            found => found,
        },
    };
    let ask = Ask { owner, filter, limit, after };
    let rows: Vec<ChatRow> = match session.engine() {
        Engine::Sqlite(c) => ask.query(false).build_query_as().fetch_all(c).await,
        Engine::Postgres(c) => ask.query(true).build_query_as().fetch_all(c).await,
    }?;
    rows.into_iter().map(TryInto::try_into).collect()
}

struct Ask<'a> {
    owner: Uuid,
    filter: ChatFilter<'a>,
    limit: i64,
    /// The last chat of the page before, as it stands now.
    after: Option<ChatRecord>,
}

impl Ask<'_> {
    fn query<DB>(&self, postgres: bool) -> QueryBuilder<DB>
    where
        DB: Database,
        bool: for<'q> Encode<'q, DB> + Type<DB>,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
        Micros: for<'q> Encode<'q, DB> + Type<DB>,
        String: for<'q> Encode<'q, DB> + Type<DB>,
        Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM chats WHERE owner_id = ").push_bind(self.owner);
        // Subagents stand below their chat, not beside it.
        query.push(" AND parent_chat_id IS NULL AND archived = ").push_bind(self.filter.archived);
        if let Some((key, value)) = self.filter.label {
            let label = |query: &mut QueryBuilder<DB>| {
                if postgres {
                    query.push("labels ->> ").push_bind(key.to_owned());
                } else {
                    // Keys hold no character that means something within the quotes of a path (`service`).
                    query.push("json_extract(labels, ").push_bind(format!("$.\"{key}\"")).push(")");
                }
            };
            query.push(" AND ");
            label(&mut query);
            match value {
                None => query.push(" IS NOT NULL"),
                Some(value) => query.push(" = ").push_bind(value.to_owned()),
            };
        }
        if let Some(last) = &self.after {
            let rank = if last.pin_order == 0 { NOT_PINNED } else { last.pin_order };
            query.push(" AND ").push(RANK).push(" >= ").push_bind(rank);
            query.push(" AND (").push(RANK).push(" > ").push_bind(rank);
            query.push(" OR updated_at < ").push_bind(Micros::from(last.updated_at));
            query.push(" OR (updated_at = ").push_bind(Micros::from(last.updated_at));
            query.push(" AND id < ").push_bind(last.id).push("))");
        }
        query.push(" ORDER BY ").push(RANK).push(", updated_at DESC, id DESC LIMIT ").push_bind(self.limit);
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, DbConfig};
    use sqlx::Sqlite;

    #[tokio::test]
    async fn a_page_of_the_list_is_read_in_the_order_of_its_index() {
        let folder = testkit::temp::TempDir::new();
        let config = DbConfig::Sqlite { path: folder.path().join("test.sqlite") };
        let Db::Sqlite { readers, .. } = Db::open(&config).await.unwrap() else { panic!("SQLite") };
        let ask = Ask { owner: Uuid::nil(), filter: ChatFilter::default(), limit: 9, after: None };
        let query: QueryBuilder<Sqlite> = ask.query(false);
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", query.sql().as_str()));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sql).fetch_all(&readers).await.unwrap();
        let plan: Vec<String> = plan.into_iter().map(|row| row.3).collect();
        assert!(
            plan.iter().any(|line| line.contains("chats_list_idx (owner_id=? AND archived=?)")),
            "{plan:?}"
        );
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
    }
}
