//! The last look at the rules before a call goes out (behaviour 15).

use super::{
    calls::Sendable,
    dispatch::{CallContext, name_of},
    refused::needs_of,
    toolbox::Offered,
};
use crate::ports::StepServer;
use api::{
    explain::Gate,
    messages::{ToolNeeds, ToolOutcome},
    servers::ToolChangePolicy,
};
use domain::{
    definitions::DefinitionStanding,
    gates::{Reader, ToolFacts, decide},
    tools::{ToolFilter, safe_to_repeat},
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
        let server = self.shared.deps.servers.call_server(self.scope(), offered.server.record.id).await;
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                tracing::warn!(server = %offered.server.record.id, %error, "a call is not sent: its server could not be checked");
                let text = format!(
                    "The call was not sent: the rules of the server {name} could not be read. Try again."
                );
                return Err(Denial::new(ToolOutcome::Error, text));
            }
        };
        match server {
            Some(server) => self.permit_at(server, offered, repeat).await,
            None => Err(gone(&name)),
        }
    }

    /// The gates of one server as it is now. `repeat`: of a call that was sent before.
    pub(super) async fn permit_at(
        &self,
        server: StepServer,
        offered: &Offered,
        repeat: bool,
    ) -> Result<Target, Denial> {
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
                (Gate::AllowList | Gate::DenyList | Gate::Definition, _) => {
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
