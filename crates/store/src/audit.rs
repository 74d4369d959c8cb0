//! The audit log (behaviour 27): written in the transaction of the action, never a secret in it. It only grows: triggers refuse
//! changes, and [`audit_prune`] is the one way out, for entries past a limit.

use crate::{Micros, Result, Session, StoreError, Write, settings};
use api::{
    Timestamp, Uuid,
    audit::{AuditEntry as Wire, AuditOutcome},
};
use domain::audit::{ActionFilter, ActorFilter, AuditFilter};
use sqlx::types::Json;

/// Names the limit of a running [`audit_prune`] for the triggers; there only within its transaction.
const PRUNE_LIMIT: &str = "audit.retention_running";

/// An entry to write.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub id: Uuid,
    pub at: Timestamp,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub credential_id: Option<Uuid>,
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
    pub action: &'static str,
    pub resource_type: &'static str,
    pub resource_id: String,
    pub resource_name: String,
    /// `ok`, `denied` or `failed`.
    pub outcome: &'static str,
    /// Names of changed fields; secrets only as "set", "changed", "cleared".
    pub changed_fields: Vec<String>,
}

/// Appends one entry.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn audit_append(write: &mut Write, entry: &AuditEntry) -> Result<()> {
    let sql = "INSERT INTO audit_log (id, at, actor_id, actor_name, credential_id, address, user_agent, request_id, action, \
               resource_type, resource_id, resource_name, outcome, changed_fields) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    execute!(
        write,
        sql,
        entry.id,
        Micros::from(entry.at),
        entry.actor_id,
        &entry.actor_name,
        entry.credential_id,
        &entry.address,
        &entry.user_agent,
        &entry.request_id,
        entry.action,
        entry.resource_type,
        &entry.resource_id,
        &entry.resource_name,
        entry.outcome,
        Json(&entry.changed_fields),
    )
    .map(|_| ())
}

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
    let from = filter.from.map_or(i64::MIN, |from| from.0);
    // Bounds of `at` are always there, so that the engines walk its index backwards whatever else is asked.
    let last = filter.to.map_or(i64::MAX, |to| to.0.saturating_sub(1));
    let (last, after_id) = match after {
        Some((at, id)) if at.0 <= last => (at.0, Some(id)),
        _ => (last, None),
    };
    let (actor_id, actor_name) = match &filter.actor {
        None => (None, None),
        Some(ActorFilter::Id(id)) => (Some(*id), None),
        Some(ActorFilter::Name(name)) => (None, Some(name.as_str())),
    };
    let (action, prefix) = match &filter.action {
        None => (None, None),
        Some(ActionFilter::Exact(action)) => (Some(action.as_str()), None),
        Some(ActionFilter::Prefix(prefix)) => (None, Some(prefix.as_str())),
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM audit_log WHERE at >= $1 AND at <= $2 AND ($3 IS NULL OR at < $2 OR id < $3) \
         AND ($4 IS NULL OR actor_id = $4) AND ($5 IS NULL OR lower(actor_name) = $5) AND ($6 IS NULL OR action = $6) \
         AND ($7 IS NULL OR substr(action, 1, length($7)) = $7) AND ($8 IS NULL OR resource_type = $8) \
         AND ($9 IS NULL OR resource_id = $9) AND ($10 IS NULL OR outcome = $10) ORDER BY at DESC, id DESC LIMIT $11"
    ));
    fetch_all!(
        session,
        AuditRow,
        sql,
        Micros(from),
        Micros(last),
        after_id,
        actor_id,
        actor_name,
        action,
        prefix,
        filter.resource_type.as_deref(),
        filter.resource_id.as_deref(),
        filter.outcome.map(AuditOutcome::as_str),
        limit,
    )?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
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

/// Deletes at most `limit` entries from before `cutoff`, the oldest first; how many. The triggers let nothing younger go.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn audit_prune(write: &mut Write, cutoff: Timestamp, limit: i64) -> Result<u64> {
    settings::setting_put(write, PRUNE_LIMIT, &cutoff.0.to_string()).await?;
    let sql = "DELETE FROM audit_log WHERE id IN (SELECT a.id FROM audit_log a WHERE a.at < $1 ORDER BY a.at LIMIT $2)";
    let deleted = execute!(write, sql, Micros::from(cutoff), limit)?;
    settings::setting_delete(write, PRUNE_LIMIT).await?;
    Ok(deleted)
}

/// Whether an action on a resource was logged at or after `since`: for entries that must not flood the log.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn audit_logged_since(
    session: &mut Session,
    action: &str,
    resource_type: &str,
    resource_id: &str,
    since: Timestamp,
) -> Result<bool> {
    let sql = "SELECT CAST(1 AS BIGINT) FROM audit_log \
               WHERE resource_type = $2 AND resource_id = $3 AND at >= $4 AND action = $1 LIMIT 1";
    let row: Option<(i64,)> =
        fetch_optional!(session, (i64,), sql, action, resource_type, resource_id, Micros::from(since))?;
    Ok(row.is_some())
}
