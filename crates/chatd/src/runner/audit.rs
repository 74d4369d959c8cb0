//! The entries of a turn in the audit log (behaviour 27): who called what with which arguments' hash, and what came of it. Never
//! arguments or results.

use super::calls::{Finished, LedgerLine};
use crate::daemon::Deps;
use api::{Uuid, chats::PlanMode, messages::ToolOutcome};
use domain::workspace::is_entry_id;
use store::{
    StoreError, Write,
    audit::{AuditEntry, audit_append},
};

/// On whose behalf calls are made, and in which chat.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) chat: Uuid,
    pub(super) owner: Uuid,
    /// Empty when it could not be read: the entry keeps the id.
    pub(super) name: String,
}

/// What there is to say of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Sent,
    /// Sent again, counted from 1.
    Resent(i64),
    Ended(&'a Finished),
}

impl Actor {
    pub(super) async fn audit(
        &self,
        write: &mut Write,
        deps: &Deps,
        line: &LedgerLine,
        said: Said<'_>,
    ) -> Result<(), StoreError> {
        let mut facts = vec![format!("chat={}", self.chat), format!("argument_hash={}", line.argument_hash)];
        match said {
            Said::Sent => {}
            Said::Resent(times) => facts.push(format!("resent={times}")),
            Said::Ended(done) => {
                facts.push(format!("outcome={}", done.part.outcome.as_str()));
                facts.push(format!("duration_ms={}", done.part.created_at.millis_since(line.started_at)));
            }
        }
        let (action, outcome) = match said {
            Said::Sent | Said::Resent(_) => ("tool_call.sent", "ok"),
            Said::Ended(done) => (
                "tool_call.ended",
                match done.part.outcome {
                    ToolOutcome::Ok => "ok",
                    ToolOutcome::Denied => "denied",
                    ToolOutcome::Error | ToolOutcome::Cancelled | ToolOutcome::Unknown => "failed",
                },
            ),
        };
        let entry = AuditEntry {
            action,
            resource_type: if is_entry_id(line.server_id) { "workspace_server" } else { "mcp_server" },
            resource_id: line.server_id.to_string(),
            resource_name: line.name.clone(),
            outcome,
            changed_fields: facts,
            ..self.entry(deps)
        };
        audit_append(write, &entry).await
    }

    /// A message that waited has switched plan mode with the beginning of its turn.
    pub(super) async fn mode_switched(
        &self,
        write: &mut Write,
        deps: &Deps,
        mode: PlanMode,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            action: PlanMode::SWITCHED,
            resource_type: "chat",
            resource_id: self.chat.to_string(),
            changed_fields: vec![mode.fact()],
            ..self.entry(deps)
        };
        audit_append(write, &entry).await
    }

    /// What every entry of a turn has.
    fn entry(&self, deps: &Deps) -> AuditEntry {
        AuditEntry {
            id: domain::clock::new_id(&*deps.clock, &*deps.entropy),
            at: deps.clock.now(),
            actor_id: Some(self.owner),
            actor_name: self.name.clone(),
            credential_id: None,
            address: String::new(),
            user_agent: String::new(),
            request_id: String::new(),
            action: "",
            resource_type: "",
            resource_id: String::new(),
            resource_name: String::new(),
            outcome: "ok",
            changed_fields: Vec::new(),
        }
    }
}
