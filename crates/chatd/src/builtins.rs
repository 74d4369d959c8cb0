//! Patchbay's own tools (behaviour 21): what a step offers, how a call is carried out, which of them end the turn.
//!
//! A built-in is a row of [`BUILT_INS`]; its name stands in [`domain::tools::BUILT_IN_NAMES`], so that no server's tool can have it. Its
//! calls have no place in the ledger: what they do, they do in our own database, fenced on the lease, and so that the same call again
//! (by chat, message and id of the call) does nothing twice. A call without a result is therefore simply made again after a crash.

mod agents;
mod ask_user_question;
mod plan;

use crate::{
    daemon::{Lease, Shared},
    limits,
};
use api::{
    Uuid,
    messages::{ResultContent, ToolCallPart, ToolOutcome, ToolResultPart},
};
use async_trait::async_trait;
use domain::plan_mode::TurnMode;
use llm::ToolSpec;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{fmt, sync::Arc, time::Duration};
use store::{
    StoreError, Write,
    chats::{ChatRecord, lease_stands_for_update},
};
use tokio_util::sync::CancellationToken;

/// Every built-in, sorted by name: their order in the prompt.
static BUILT_INS: [&dyn BuiltIn; 8] = [
    &ask_user_question::AskUserQuestion,
    &agents::ListAgents,
    &agents::MessageAgent,
    &plan::ProposePlan,
    &plan::ReadPlan,
    &agents::SpawnAgent,
    &agents::WaitAgent,
    &plan::WritePlan,
];

/// What decides which built-ins a step offers. All of it stands in the chat's row, so that a call is judged the same after a crash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepFacts<'a> {
    pub(crate) chat: &'a ChatRecord,
    pub(crate) mode: TurnMode,
    /// No subagent's chat.
    pub(crate) root: bool,
}

/// One of Patchbay's own tools.
#[async_trait]
pub(crate) trait BuiltIn: Send + Sync {
    fn name(&self) -> &'static str;

    /// As people see it.
    fn title(&self) -> &'static str;

    /// For the model.
    fn description(&self) -> &'static str;

    /// JSON Schema of the arguments.
    fn parameters(&self) -> Value;

    fn offered(&self, step: StepFacts<'_>) -> bool;

    /// A call that succeeds ends the turn: it is carried out after all others of its step, whose results are committed with it.
    fn ends_turn(&self) -> bool {
        false
    }

    /// Calls of such tools in one step are carried out one after the other, in the order of the message.
    fn in_order(&self) -> bool {
        false
    }

    /// How long a call may take.
    fn deadline(&self) -> Duration {
        limits::BUILT_IN
    }

    /// Carries out a call. It is made again with the same ids when the database is away for a moment, and after a crash.
    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed>;
}

impl fmt::Debug for dyn BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A call as its tool sees it.
pub(crate) struct BuiltInCall<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) lease: &'a Lease,
    pub(crate) chat: Uuid,
    /// The chat's owner, for whom it is done.
    pub(crate) owner: Uuid,
    pub(crate) mode: TurnMode,
    /// The assistant's message with the call; with `chat` and `tool_call_id` what an effect is known by.
    pub(crate) message: i64,
    pub(crate) tool_call_id: &'a str,
    pub(crate) arguments: &'a Map<String, Value>,
    /// The turn is being stopped: there is [`limits::STOP_GRACE`] left to say how far the call has come.
    pub(crate) cancel: &'a CancellationToken,
}

/// Why a call did nothing.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The model can do better; the sentence says how.
    Refused(String),
    /// Tried again while the deadline lasts, where that can help.
    Store(StoreError),
    /// The lease went to somebody else.
    Lost,
    /// The turn was stopped before anything was done.
    Stopped,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl BuiltInCall<'_> {
    /// The arguments as `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_value(Value::Object(self.arguments.clone())).map_err(|error| {
            let error = domain::text::neutralise(&error.to_string()).into_owned();
            Failed::Refused(format!("The arguments do not fit: {error}. Correct them and call again."))
        })
    }

    /// A transaction that only the runner of this turn can have; it holds the chat's row lock.
    pub(crate) async fn write(&self) -> Result<Write, Failed> {
        let mut write = self.shared.deps.db.write().await?;
        if lease_stands_for_update(&mut write, self.chat, self.lease.holder, self.lease.epoch).await? {
            Ok(write)
        } else {
            Err(Failed::Lost)
        }
    }
}

/// A result of one text.
pub(crate) fn text(text: impl Into<String>) -> Vec<ResultContent> {
    vec![ResultContent::Text { text: text.into() }]
}

/// The built-in of this name, offered or not.
pub(crate) fn find(name: &str) -> Option<&'static dyn BuiltIn> {
    BUILT_INS.iter().find(|tool| tool.name() == name).copied()
}

/// The built-in that a call asked for; `None` for a server's tool.
pub(crate) fn of_call(call: &ToolCallPart) -> Option<&'static dyn BuiltIn> {
    if call.mcp_server_config_id.is_some() { None } else { find(&call.tool_name) }
}

/// What a step offers, in the order of the prompt.
pub(crate) fn offered(step: StepFacts<'_>) -> Vec<&'static dyn BuiltIn> {
    BUILT_INS.iter().copied().filter(|tool| tool.offered(step)).collect()
}

/// Whether this result ends its turn.
pub(crate) fn ends_turn(result: &ToolResultPart) -> bool {
    result.mcp_server_config_id.is_none()
        && result.outcome == ToolOutcome::Ok
        && !result.is_error
        && find(&result.tool_name).is_some_and(BuiltIn::ends_turn)
}

/// As the model gets it.
pub(crate) fn spec(tool: &dyn BuiltIn) -> ToolSpec {
    ToolSpec {
        name: tool.name().to_owned(),
        description: tool.description().to_owned(),
        parameters: Arc::new(tool.parameters()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::tools::BUILT_IN_NAMES;

    #[test]
    fn names_are_reserved_and_in_the_order_of_the_prompt() {
        let names: Vec<_> = BUILT_INS.iter().map(|tool| tool.name()).collect();
        assert!(names.is_sorted());
        for tool in BUILT_INS {
            assert!(BUILT_IN_NAMES.contains(&tool.name()), "{tool:?}");
            assert_eq!(find(tool.name()).map(BuiltIn::name), Some(tool.name()));
            assert_eq!(tool.parameters()["type"], "object", "{tool:?}");
            assert!(!tool.description().is_empty() && !tool.title().is_empty());
        }
    }
}
