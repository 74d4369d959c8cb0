//! What the daemon needs from the rest of the house. `service` implements these, `server` wires them.

use api::{Uuid, chats::TurnError, check::ConnectOutcome};
use async_trait::async_trait;
use domain::{
    definitions::{DefinitionStanding, KnownDefinitions},
    gates::ServerFacts,
    mcp_server::ServerRecord,
    oauth::challenge::Challenge,
    plan_mode::TurnMode,
};
use mcpclient::Catalogue;
use std::{fmt, sync::Arc};

/// Which model answers.
#[async_trait]
pub trait ModelSource: Send + Sync {
    /// The model of this id, or the default for `None`.
    ///
    /// # Errors
    /// What the owner of the chat is told: code `model_missing` mostly.
    async fn model_resolve(&self, id: Option<Uuid>) -> Result<ResolvedModel, TurnError>;
}

/// A model ready to be asked.
#[derive(Clone)]
pub struct ResolvedModel {
    /// Patchbay's id of it.
    pub id: Uuid,
    pub provider: Arc<dyn llm::ModelProvider>,
    /// The provider's name of it.
    pub model: String,
    /// Tokens of one answer.
    pub max_output_tokens: i64,
    /// Tokens of the whole conversation.
    pub context_limit: i64,
}

impl fmt::Debug for ResolvedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedModel")
            .field("id", &self.id)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// What a turn says of the servers it may use. Everything that is asked of servers for it is asked with this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnScope<'a> {
    /// The owner of the chat, whose rights and connections count.
    pub owner: Uuid,
    /// The chat's list.
    pub selected: &'a [Uuid],
    pub mode: TurnMode,
}

impl<'a> TurnScope<'a> {
    /// Of a turn out of plan mode.
    pub fn normal(owner: Uuid, selected: &'a [Uuid]) -> Self {
        Self { owner, selected, mode: TurnMode::Normal }
    }
}

/// Which servers take part (behaviour 16).
#[async_trait]
pub trait ServerSource: Send + Sync {
    /// Every server of this step, in the order of the prompt: those that [`domain::gates::decide`] lets take part in this
    /// turn, each with where to dial it or why not.
    ///
    /// # Errors
    /// The set could not be loaded. The step is tried again and then fails: it never goes on with fewer servers.
    async fn step_servers(&self, scope: TurnScope<'_>) -> Result<Vec<StepServer>, SourceError>;

    /// One server as it is now, read right before a call is sent, with what is known of it for this turn.
    /// The daemon decides by the facts whether the call may go out; `None` when the server is gone.
    ///
    /// # Errors
    /// It could not be loaded. The call is not sent.
    async fn call_server(
        &self,
        scope: TurnScope<'_>,
        server_id: Uuid,
    ) -> Result<Option<StepServer>, SourceError>;

    /// Takes note of what a server listed, and says which definitions are known and accepted after that.
    ///
    /// # Errors
    /// It could not be loaded. Where changes are held back, nothing of the server is offered.
    async fn definitions_learn(
        &self,
        server: &ServerRecord,
        listed: &Catalogue,
    ) -> Result<Arc<KnownDefinitions>, SourceError>;

    /// How the definition of a tool stands now; asked right before a call of a server that holds changes back.
    ///
    /// # Errors
    /// It could not be loaded. The call is not sent.
    async fn definition_standing(
        &self,
        server_id: Uuid,
        tool: &str,
        hash: &str,
    ) -> Result<DefinitionStanding, SourceError>;

    /// The server refused the credential of this version for the owner (401): at most one renewal. `Some`: it may be dialled with this
    /// once more; the daemon asks the gates before it does. `None`: there is nothing else to send now, and how the connection stands
    /// is kept where [`Self::call_server`] reads it.
    ///
    /// Calls of one step may ask at once for the same version. When the server refuses what was got so, that is told here as well, with
    /// its own version, so that the connection stops being called good; nothing is sent a third time, whatever is then answered. The
    /// future may be dropped when the turn is stopped: a token request that has begun goes on without it.
    ///
    /// # Errors
    /// It could not be found out. Nothing is sent again.
    async fn credential_refused(
        &self,
        scope: TurnScope<'_>,
        server_id: Uuid,
        credential_version: i64,
        challenge: Option<&Challenge>,
    ) -> Result<Option<StepServer>, SourceError>;

    /// The server wants more than was granted for this tool (403 with `insufficient_scope`, protocol.md 14.10), or for listing its
    /// tools, which is named `tools/list`. Says whether the person is asked; how often is counted here (threats 19).
    ///
    /// # Errors
    /// It could not be written down: the person is not asked.
    async fn permission_wanted(
        &self,
        owner: Uuid,
        server_id: Uuid,
        tool: &str,
        challenge: &Challenge,
    ) -> Result<PermissionAsk, SourceError>;
}

/// Whether the person is asked for more permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionAsk {
    /// Yes, by the result of the call.
    Asked,
    /// No: they declined what is asked for.
    Declined,
    /// No: they were asked as often as may be.
    Exhausted,
}

/// A server and what is known of it for one user and chat.
#[derive(Debug, Clone)]
pub struct StepServer {
    pub record: ServerRecord,
    /// What [`domain::gates::decide`] judges, at listing and again at each call.
    pub facts: ServerFacts,
    /// Where to dial and with what, or why it cannot be used.
    pub access: Result<mcpclient::Target, Unusable>,
}

/// Why a server that takes part cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    pub outcome: ConnectOutcome,
    /// A sentence for the user, at most 512 bytes, without secrets. The model is told a fixed sentence for the outcome instead in its
    /// system prompt; the result of a call that was refused for it repeats it, so nothing that a server wrote belongs in here.
    pub message: String,
}

/// A port could not reach its data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not load the servers: {0}")]
pub struct SourceError(pub String);
