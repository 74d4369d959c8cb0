//! Carries out calls of Patchbay's own tools (behaviour 21), beside those that are sent to servers.

use super::{
    Runner,
    calls::Own,
    dispatch::CallContext,
    results::{NOT_SENT, OWN_UNKNOWN, own_answer, own_result},
};
use crate::{
    builtins::{BuiltInCall, Failed, StepFacts},
    error::Exit,
    limits,
    ports::TurnScope,
};
use api::{
    Uuid,
    messages::{ToolCallPart, ToolOutcome, ToolResultPart},
};
use domain::plan_mode::TurnMode;
use std::sync::atomic::Ordering;

impl Runner {
    /// How this turn runs: it keeps what it began with; that of a subagent is what its parent's is in now.
    pub(super) fn mode(&self) -> TurnMode {
        match &self.inherited {
            Some(inherited) => inherited.mode,
            None => TurnMode::of_root(self.chat.turn_plan_mode),
        }
    }

    /// The servers that count as the chat's own.
    pub(super) fn selected(&self) -> &[Uuid] {
        self.inherited.as_ref().map_or(&self.chat.mcp_server_ids, |inherited| &inherited.selected.ids)
    }

    /// With what servers are asked for.
    pub(super) fn scope(&self) -> TurnScope<'_> {
        TurnScope { owner: self.chat.owner_id, selected: self.selected(), mode: self.mode() }
    }

    /// What decides which of our own tools are offered.
    pub(super) fn step_facts(&self) -> StepFacts<'_> {
        StepFacts { chat: &self.chat, mode: self.mode(), root: self.chat.parent_chat_id.is_none() }
    }
}

impl CallContext {
    /// One call, again while the database is away, within the deadline of its tool.
    pub(super) async fn carry_out(
        &self,
        call: &ToolCallPart,
        own: &Own,
        at: usize,
    ) -> Result<ToolResultPart, Exit> {
        let deps = &self.shared.deps;
        let deadline = own.tool.deadline();
        let done = tokio::time::timeout(deadline, self.carried_out(call, own, at)).await;
        let now = deps.clock.now();
        let own_result = |outcome, text: &str| own_result(call, outcome, text, now);
        Ok(match done {
            Ok(Ok(content)) => own_answer(call, content, now),
            Ok(Err(Failed::Refused(text))) => own_result(ToolOutcome::Error, &text),
            Ok(Err(Failed::Stopped)) => own_result(ToolOutcome::Cancelled, NOT_SENT),
            Ok(Err(Failed::Lost)) => return Err(Exit::Lost),
            Ok(Err(Failed::Store(error))) => {
                tracing::error!(chat = %self.actor.chat, tool = own.tool.name(), error = ?error, "a built-in tool failed");
                own_result(
                    ToolOutcome::Error,
                    "Something went wrong inside Patchbay. An admin finds the cause in the log.",
                )
            }
            Err(_) => {
                tracing::warn!(chat = %self.actor.chat, tool = own.tool.name(), "a built-in tool took too long");
                let text = format!(
                    "This took more than {} s and was given up: it may or may not have happened. Verify before trying again.",
                    deadline.as_secs()
                );
                own_result(ToolOutcome::Unknown, &text)
            }
        })
    }

    async fn carried_out(
        &self,
        call: &ToolCallPart,
        own: &Own,
        at: usize,
    ) -> Result<Vec<api::messages::ResultContent>, Failed> {
        // Those that wait here do so in the order of the message.
        let _turn = match own.tool.in_order() {
            true => Some(self.order.lock().await),
            false => None,
        };
        let call = BuiltInCall {
            shared: &self.shared,
            lease: &self.lease,
            chat: self.actor.chat,
            owner: self.actor.owner,
            mode: self.mode,
            message: self.asked,
            tool_call_id: &call.tool_call_id,
            arguments: &own.arguments,
            cancel: &self.cancel,
        };
        loop {
            if self.cancel.is_cancelled() && !self.sent[at].load(Ordering::SeqCst) {
                return Err(Failed::Stopped);
            }
            if !self.lease.is_ours() {
                return Err(Failed::Lost);
            }
            self.sent[at].store(true, Ordering::SeqCst);
            match own.tool.run(&call).await {
                Err(Failed::Store(error)) if error.is_retryable() => {
                    tracing::warn!(chat = %self.actor.chat, tool = own.tool.name(), %error, "a built-in tool is tried again");
                    tokio::time::sleep(limits::COMMIT_WAIT).await;
                }
                done => return done,
            }
        }
    }

    /// What a call is that a stop left behind.
    pub(super) fn own_left(&self, at: usize) -> (ToolOutcome, &'static str) {
        match self.sent[at].load(Ordering::SeqCst) {
            true => (ToolOutcome::Unknown, OWN_UNKNOWN),
            false => (ToolOutcome::Cancelled, NOT_SENT),
        }
    }
}
