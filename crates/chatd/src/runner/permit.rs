//! The last look at the rules before a call goes out (behaviour 15).

use super::{
    calls::{Approval, Sendable},
    dispatch::{CallContext, name_of},
    inherited::Inherited,
    refused::{Asking, needs_of},
    toolbox::Offered,
};
use crate::ports::{StepServer, TurnScope};
use api::{
    explain::Gate,
    messages::{ToolNeeds, ToolOutcome},
    servers::ToolChangePolicy,
};
use domain::{
    definitions::DefinitionStanding,
    gates::{Reader, ToolFacts, decide},
    plan_mode::{Origin, admission},
    tools::{ToolFilter, needs_approval, safe_to_repeat},
    workspace::is_entry_id,
};
use mcpclient::Target;

/// The owner of the chat reads why a call was refused, and the model does; neither may learn what is hidden from members.
pub(super) const OWNER: Reader = Reader { is_subject: true, unredacted: false };

/// Why a call is not sent, or did not happen, and what can be done about it.
pub(super) struct Denial {
    pub(super) outcome: ToolOutcome,
    pub(super) text: String,
    pub(super) needs: Option<ToolNeeds>,
}

impl Denial {
    pub(super) fn new(outcome: ToolOutcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), needs: None }
    }
}

impl CallContext {
    /// Whether the call may be sent now, by the rules as they stand now, and where to.
    pub(super) async fn permit(&self, sendable: &Sendable, repeat: bool) -> Result<Target, Denial> {
        let offered = &sendable.offered;
        let name = name_of(offered);
        let unread = |error: &dyn std::fmt::Display| {
            tracing::warn!(server = %offered.server.record.id, %error, "a call is not sent: its server could not be checked");
            let text = format!(
                "The call was not sent: the rules of the server {name} could not be read. Try again."
            );
            Denial::new(ToolOutcome::Error, text)
        };
        let inherited = match &self.heir {
            Some(heir) => {
                Inherited::load(&self.shared.deps.db, heir).await.map_err(|error| unread(&error))?
            }
            None => None,
        };
        let scope = match &inherited {
            Some(inherited) => {
                TurnScope { selected: &inherited.selected.ids, mode: inherited.mode, ..self.scope() }
            }
            None => self.scope(),
        };
        let id = offered.server.record.id;
        let left_out = if is_entry_id(id) {
            self.explores || !admission(scope.mode, Origin::Workspace).admits()
        } else {
            inherited.as_ref().is_some_and(|inherited| !inherited.may_be(id))
        };
        if left_out {
            return Err(gone(&name));
        }
        let server = Asking { scope, ..self.asking() }.server(id).await;
        let server = server.map_err(|error| unread(&error))?;
        match server {
            Some(server) => self.permit_at(server, sendable, repeat).await,
            None => Err(gone(&name)),
        }
    }

    /// The gates of one server as it is now. `repeat`: of a call that was sent before.
    pub(super) async fn permit_at(
        &self,
        server: StepServer,
        sendable: &Sendable,
        repeat: bool,
    ) -> Result<Target, Denial> {
        let offered = &*sendable.offered;
        let name = name_of(offered);
        let filter = ToolFilter::of(&server.record);
        let definition =
            self.definition(&server, offered).await.map_err(|text| Denial::new(ToolOutcome::Error, text))?;
        let asked = ToolFacts { filter: &filter, name: &offered.tool().name, definition };
        let needs = needs_of(server.facts.auth_status);
        let unusable = |message: &str| {
            let text = format!("The call was not sent: {name}: {message}");
            Denial { needs, ..Denial::new(ToolOutcome::Error, text) }
        };
        if let Some(failed) = decide(&server.facts, Some(asked)).failed() {
            let reason = failed.sentence(OWNER);
            return Err(match (failed.gate(), &server.access) {
                (Gate::Account | Gate::Enabled | Gate::Group | Gate::Selection, _) => gone(&name),
                (Gate::PlanMode, _) => {
                    let text =
                        format!("The call was not sent: {name} may not be used in this turn. {reason}");
                    Denial::new(ToolOutcome::Denied, text)
                }
                (Gate::Configured | Gate::Connected, Err(known)) => unusable(&known.message),
                (Gate::Configured | Gate::Connected, Ok(_)) => unusable(&reason),
                (Gate::AllowList | Gate::DenyList | Gate::Definition | Gate::Approval, _) => {
                    let text =
                        format!("The call was not sent: this tool of {name} is no longer allowed. {reason}");
                    Denial::new(ToolOutcome::Denied, text)
                }
            });
        }
        if repeat && !safe_to_repeat(&server.record, &offered.tool().name) {
            let text = format!(
                "The call was not sent again: this tool of {name} is not marked as safe to run twice."
            );
            return Err(Denial::new(ToolOutcome::Unknown, text));
        }
        // The list may have got the tool after the call was planned: nobody was asked for this one.
        if needs_approval(&server.record, &offered.tool().name)
            && !matches!(sendable.approval, Approval::Given(_))
        {
            let text = format!(
                "The call was not sent: this tool of {name} needs the user's approval now. Call it again to ask for it."
            );
            return Err(Denial::new(ToolOutcome::Denied, text));
        }
        server.access.map_err(|known| unusable(&known.message))
    }

    /// How the offered definition stands by now; only a server that holds changes back is asked about.
    async fn definition(&self, server: &StepServer, offered: &Offered) -> Result<DefinitionStanding, String> {
        if server.record.tool_change_policy != ToolChangePolicy::Hold {
            return Ok(DefinitionStanding::Accepted);
        }
        let (id, tool) = (server.record.id, offered.tool());
        self.shared.deps.servers.definition_standing(id, &tool.name, &tool.hash).await.map_err(|error| {
            tracing::warn!(server = %id, %error, "a call is not sent: its definition could not be checked");
            "The call was not sent: whether the tool is still accepted could not be read. Try again."
                .to_owned()
        })
    }
}

fn gone(name: &str) -> Denial {
    let text = format!("The call was not sent: the server {name} is no longer available.");
    Denial::new(ToolOutcome::Denied, text)
}
