//! What the daemon needs from the rest of the house. `service` implements these, `server` wires them.

use api::{Uuid, chats::TurnError, check::ConnectOutcome};
use async_trait::async_trait;
use domain::{
    definitions::{DefinitionStanding, KnownDefinitions},
    gates::ServerFacts,
    mcp_server::ServerRecord,
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

/// Which servers take part (behaviour 16).
#[async_trait]
pub trait ServerSource: Send + Sync {
    /// Every server of this step, in the order of the prompt: those that [`domain::gates::decide`] lets take part in a chat of `owner`
    /// with this selection, each with where to dial it or why not.
    ///
    /// # Errors
    /// The set could not be loaded. The step is tried again and then fails: it never goes on with fewer servers.
    async fn step_servers(&self, owner: Uuid, selected: &[Uuid]) -> Result<Vec<StepServer>, SourceError>;

    /// One server as it is now, read right before a call is sent, with what is known of it for `owner` and a chat with this selection.
    /// The daemon decides by the facts whether the call may go out; `None` when the server is gone.
    ///
    /// # Errors
    /// It could not be loaded. The call is not sent.
    async fn call_server(
        &self,
        owner: Uuid,
        server_id: Uuid,
        selected: &[Uuid],
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
