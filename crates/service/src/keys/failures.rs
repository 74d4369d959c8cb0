//! Values that did not open go into the audit log, each at most once an hour.

use super::Keys;
use crate::{OpContext, audit::Act};
use store::StoreError;

/// A value that fails again within this time, on any replica, is not logged again, seconds.
const QUIET_SECONDS: i64 = 3600;
const ACTION: &str = "keys.decryption_failed";
const RESOURCE: &str = "sealed_value";

/// Logs what did not open since the last call.
///
/// # Errors
/// [`StoreError::Unavailable`]; what was not written then is logged when it fails next.
pub(crate) async fn failures_audit(keys: &Keys) -> Result<(), StoreError> {
    let failures = keys.keyring.take_failures();
    if failures.is_empty() {
        return Ok(());
    }
    let since = keys.now().plus_seconds(-QUIET_SECONDS);
    let mut write = keys.db.write().await?;
    for failure in failures {
        let place = format!("{}.{}", failure.table, failure.column);
        let resource_id = format!("{place}:{}", failure.row);
        if store::audit::audit_logged_since(&mut write, ACTION, RESOURCE, &resource_id, since).await? {
            continue;
        }
        let act = Act {
            action: ACTION,
            resource_type: RESOURCE,
            resource_id,
            resource_name: &place,
            changed_fields: Vec::new(),
        };
        keys.audit(&mut write, &OpContext::default(), act, "failed").await?;
    }
    write.commit().await
}
