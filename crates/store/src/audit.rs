//! The audit log (behaviour 27): written in the transaction of the action, never a secret in it. It only grows: triggers refuse
//! changes, and [`audit_prune`] is the one way out, for entries past a limit.

mod read;

use crate::{Micros, Result, Session, Write, settings};
use api::{Timestamp, Uuid};
pub use read::{AuditPlace, audit_list, audit_place};
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
