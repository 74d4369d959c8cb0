//! Audit entries, written in the transaction of the action (behaviour 27).

use crate::{OpContext, Result, Service};
use api::{Timestamp, Uuid};
use store::{Write, audit::AuditEntry};

/// What was done to what.
pub(crate) struct Act<'a> {
    pub(crate) action: &'static str,
    pub(crate) resource_type: &'static str,
    pub(crate) resource_id: String,
    pub(crate) resource_name: &'a str,
    pub(crate) changed_fields: Vec<String>,
}

impl<'a> Act<'a> {
    pub(crate) fn on(action: &'static str, resource_type: &'static str, id: Uuid, name: &'a str) -> Self {
        Self {
            action,
            resource_type,
            resource_id: id.to_string(),
            resource_name: name,
            changed_fields: Vec::new(),
        }
    }

    /// Something that has no row, or whose row is not known.
    pub(crate) fn on_any(action: &'static str, resource_type: &'static str) -> Act<'static> {
        let (resource_id, changed_fields) = (String::new(), Vec::new());
        Act { action, resource_type, resource_id, resource_name: "", changed_fields }
    }

    pub(crate) fn fields(mut self, fields: Vec<String>) -> Self {
        self.changed_fields = fields;
        self
    }
}

impl Service {
    /// Appends an entry for something that was done.
    pub(crate) async fn audit(&self, write: &mut Write, ctx: &OpContext, act: Act<'_>) -> Result<()> {
        self.audit_outcome(write, ctx, act, "ok").await
    }

    /// Appends an entry with its outcome: refused attempts are logged as well.
    pub(crate) async fn audit_outcome(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        act: Act<'_>,
        outcome: &'static str,
    ) -> Result<()> {
        let entry = entry_of(self.new_id(), self.now(), ctx, act, outcome);
        store::audit::audit_append(write, &entry).await?;
        Ok(())
    }
}

/// The entry for `act`, for those who have no [`Service`].
pub(crate) fn entry_of(
    id: Uuid,
    at: Timestamp,
    ctx: &OpContext,
    act: Act<'_>,
    outcome: &'static str,
) -> AuditEntry {
    AuditEntry {
        id,
        at,
        actor_id: ctx.caller.as_ref().map(|caller| caller.user.id),
        actor_name: match &ctx.caller {
            Some(caller) => caller.user.username.clone(),
            None => ctx.request.actor.to_owned(),
        },
        credential_id: ctx.caller.as_ref().map(|caller| caller.credential_id),
        address: ctx.request.address.clone(),
        user_agent: ctx.request.user_agent.clone(),
        request_id: ctx.request.request_id.clone(),
        action: act.action,
        resource_type: act.resource_type,
        resource_id: act.resource_id,
        resource_name: act.resource_name.to_owned(),
        outcome,
        changed_fields: act.changed_fields,
    }
}
