//! Reading the log: only the filters that are given stand in the query, so that the engine takes the index of one of them.

use crate::{Micros, Result, Session, StoreError, session::Engine};
use api::{
    Timestamp, Uuid,
    audit::{AuditEntry as Wire, AuditOutcome},
};
use domain::audit::{ActionFilter, ActorFilter, AuditFilter};
use sqlx::{Database, Encode, QueryBuilder, Type, types::Json};

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: Uuid,
    at: Micros,
    actor_id: Option<Uuid>,
    actor_name: String,
    credential_id: Option<Uuid>,
    address: String,
    user_agent: String,
    request_id: String,
    action: String,
    resource_type: String,
    resource_id: String,
    resource_name: String,
    outcome: String,
    changed_fields: Json<Vec<String>>,
}

impl TryFrom<AuditRow> for Wire {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self> {
        let outcome = AuditOutcome::parse(&row.outcome).ok_or_else(|| StoreError::Inconsistent {
            table: "audit_log",
            column: "outcome",
            row: row.id.to_string(),
        })?;
        Ok(Self {
            id: row.id,
            time: row.at.into(),
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            credential_id: row.credential_id,
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            action: row.action,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            resource_name: row.resource_name,
            outcome,
            changed_fields: row.changed_fields.0,
        })
    }
}

const COLUMNS: &str = "id, at, actor_id, actor_name, credential_id, address, user_agent, request_id, action, resource_type, \
     resource_id, resource_name, outcome, changed_fields";

/// Each action of the log once, by steps through its index: `DISTINCT` would read every entry.
const ACTIONS: &str = "WITH RECURSIVE known (action) AS (SELECT MIN(action) FROM audit_log UNION ALL \
     SELECT (SELECT MIN(l.action) FROM audit_log l WHERE l.action > known.action) FROM known WHERE known.action IS NOT NULL) \
     SELECT action FROM known WHERE substr(action, 1, length($1)) = $1";

/// The place of an entry in the log.
pub type AuditPlace = (Timestamp, Uuid);

/// Entries that pass `filter`, newest first, those behind `after` only.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn audit_list(
    session: &mut Session,
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    limit: i64,
) -> Result<Vec<Wire>> {
    let actions: Vec<Option<String>> = match &filter.action {
        None => vec![None],
        Some(ActionFilter::Exact(action)) => vec![Some(action.clone())],
        Some(ActionFilter::Prefix(prefix)) => {
            let rows: Vec<(String,)> = fetch_all!(session, (String,), ACTIONS, prefix)?;
            rows.into_iter().map(|(action,)| Some(action)).collect()
        }
    };
    if actions.is_empty() {
        return Ok(Vec::new());
    }
    let ask = Ask { filter, after, limit };
    let rows: Vec<AuditRow> = match session.engine() {
        Engine::Sqlite(c) => ask.query(&actions).build_query_as().fetch_all(c).await,
        Engine::Postgres(c) => ask.query(&actions).build_query_as().fetch_all(c).await,
    }?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Where an entry stands.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn audit_place(session: &mut Session, id: Uuid) -> Result<Option<AuditPlace>> {
    let row: Option<(Micros,)> =
        fetch_optional!(session, (Micros,), "SELECT at FROM audit_log WHERE id = $1", id)?;
    Ok(row.map(|(at,)| (at.into(), id)))
}

struct Ask<'a> {
    filter: &'a AuditFilter,
    after: Option<AuditPlace>,
    limit: i64,
}

impl Ask<'_> {
    /// The newest of each action, and of those the newest: with a range of actions an engine would read all of them, or walk
    /// through everything else, to find a page.
    fn query<DB>(&self, actions: &[Option<String>]) -> QueryBuilder<DB>
    where
        DB: Database,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
        Micros: for<'q> Encode<'q, DB> + Type<DB>,
        String: for<'q> Encode<'q, DB> + Type<DB>,
        Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let mut query = QueryBuilder::new("");
        if let [action] = actions {
            self.push(&mut query, action.as_deref());
            return query;
        }
        for (at, action) in actions.iter().enumerate() {
            query.push(if at == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
            self.push(&mut query, action.as_deref());
            query.push(") AS one");
        }
        query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(self.limit);
        query
    }

    fn push<DB>(&self, query: &mut QueryBuilder<DB>, action: Option<&str>)
    where
        DB: Database,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
        Micros: for<'q> Encode<'q, DB> + Type<DB>,
        String: for<'q> Encode<'q, DB> + Type<DB>,
        Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let filter = self.filter;
        query.push("SELECT ").push(COLUMNS).push(" FROM audit_log WHERE 1 = 1");
        if let Some(from) = filter.from {
            query.push(" AND at >= ").push_bind(Micros::from(from));
        }
        let last = filter.to.map(|to| Timestamp(to.0.saturating_sub(1)));
        match self.after {
            // The bound by itself first: the index knows it, and not the choice behind it.
            Some((at, id)) if last.is_none_or(|last| at <= last) => {
                query.push(" AND at <= ").push_bind(Micros::from(at));
                query.push(" AND (at < ").push_bind(Micros::from(at));
                query.push(" OR id < ").push_bind(id).push(")");
            }
            _ => {
                if let Some(last) = last {
                    query.push(" AND at <= ").push_bind(Micros::from(last));
                }
            }
        }
        match &filter.actor {
            None => {}
            Some(ActorFilter::Id(id)) => {
                query.push(" AND actor_id = ").push_bind(*id);
            }
            Some(ActorFilter::Name(name)) => {
                query.push(" AND lower(actor_name) = ").push_bind(name.clone());
            }
        }
        let texts = [
            (" AND action = ", action),
            (" AND resource_type = ", filter.resource_type.as_deref()),
            (" AND resource_id = ", filter.resource_id.as_deref()),
            (" AND outcome = ", filter.outcome.map(AuditOutcome::as_str)),
        ];
        for (sql, text) in texts {
            if let Some(text) = text {
                query.push(sql).push_bind(text.to_owned());
            }
        }
        query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, DbConfig};
    use sqlx::Sqlite;

    /// Every filter of the contract is answered from an index in the order of the answer, so that a page costs the same
    /// however long the log is.
    #[tokio::test]
    async fn every_filter_has_its_index() {
        let folder = testkit::temp::TempDir::new();
        let config = DbConfig::Sqlite { path: folder.path().join("test.sqlite") };
        let Db::Sqlite { readers, .. } = Db::open(&config).await.unwrap() else { panic!("SQLite") };
        let all = AuditFilter::default();
        let (text, id) = (|| Some("x".to_owned()), Uuid::nil());
        let actor = |actor| AuditFilter { actor: Some(actor), ..all.clone() };
        let kind = AuditFilter { resource_type: text(), ..all.clone() };
        let one = AuditFilter { resource_id: text(), ..all.clone() };
        let both = AuditFilter { resource_type: text(), ..one.clone() };
        for (filter, action, index) in [
            (&all, None, "audit_log_at_idx"),
            (&actor(ActorFilter::Id(id)), None, "audit_log_actor_idx (actor_id=?"),
            (&actor(ActorFilter::Name("ada".to_owned())), None, "audit_log_actor_name_idx (<expr>=?"),
            (&all, text(), "audit_log_action_idx (action=?"),
            (&kind, None, "audit_log_resource_type_idx (resource_type=?"),
            (&one, None, "audit_log_resource_id_idx (resource_id=?"),
            (&both, None, "audit_log_resource_idx (resource_type=? AND resource_id=?"),
        ] {
            for after in [None, Some((Timestamp(5), id))] {
                for from in [None, Some(Timestamp(1))] {
                    let filter = AuditFilter { from, ..filter.clone() };
                    let ask = Ask { filter: &filter, after, limit: 51 };
                    let query = ask.query::<Sqlite>(std::slice::from_ref(&action));
                    let explained =
                        sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", query.sql().as_str()));
                    let rows: Vec<(i64, i64, i64, String)> =
                        sqlx::query_as(explained).fetch_all(&readers).await.unwrap();
                    let plan: Vec<String> = rows.into_iter().map(|(.., detail)| detail).collect();
                    assert!(plan[0].contains(index), "{index}: {plan:#?}");
                    // Of equal times alone the order is made by sorting.
                    let sorted = |step: &String| step.contains("TEMP B-TREE") && !step.contains("LAST TERM");
                    assert!(!plan.iter().any(sorted), "{index}: {plan:#?}");
                }
            }
        }
    }
}
