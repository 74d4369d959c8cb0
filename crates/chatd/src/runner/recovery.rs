//! What an earlier runner left: calls without results (behaviour 15). They become `unknown`, except where the admin says that the tool
//! is safe to run twice: such a call is sent again, by the lists and rules as they stand now. Calls of Patchbay's own tools are carried
//! out again, which does nothing twice.

use super::{
    Runner,
    calls::{Finished, LedgerLine, Planned, plan_again, plan_own_again},
    parked::{call_action, waited_result},
    results::{ASKED_AND_LOST, NEVER_SENT, NOT_SENT, OWN_UNKNOWN, UNKNOWN, own_result},
    toolbox::Toolbox,
    transcript::tool_calls,
};
use crate::{builtins, error::Exit, limits};
use api::{
    Uuid,
    actions::{ActionKind, ActionState},
    chats::{ChatStatus, TurnError},
    messages::{ChatMessage, ToolCallPart, ToolOutcome},
};
use domain::{mcp_server::ServerRecord, tools::safe_to_repeat};
use std::collections::{HashMap, HashSet};
use store::{actions::ActionRecord, tool_calls::ToolCallRecord};

/// The rows of one message by the ids of their calls.
type Ledger = HashMap<String, ToolCallRecord>;

impl Runner {
    /// Answers the calls of `asked` from the ledger and commits the results; with `error` as the end of the turn, and then without
    /// sending anything.
    pub(super) async fn settle(
        &mut self,
        asked: &ChatMessage,
        error: Option<&TurnError>,
    ) -> Result<ChatMessage, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        let ledger = store::tool_calls::tool_calls_of(&mut session, self.chat.id, asked.id).await?;
        let actions = store::actions::actions_of(&mut session, self.chat.id, asked.id).await?;
        drop(session);
        self.parked |= !actions.is_empty();
        // The calls have waited together, and none has begun.
        let held = ledger.is_empty() && actions.iter().any(|action| action.kind != ActionKind::Elicitation);
        let mut ledger: Ledger =
            ledger.into_iter().map(|record| (record.intent.tool_call_id.clone(), record)).collect();
        let mut again = match error {
            None => self.send_again(asked, &ledger).await?,
            Some(_) => HashMap::new(),
        };
        let resent = again.len();
        let finished: Vec<Finished> = tool_calls(asked)
            .map(|call| {
                let record = ledger.remove(&call.tool_call_id);
                let action = call_action(&actions, call);
                again
                    .remove(&call.tool_call_id)
                    .unwrap_or_else(|| self.settle_call(call, record, action, (held, asks(&actions, call))))
            })
            .collect();
        let unknown = finished.iter().filter(|done| done.part.outcome == ToolOutcome::Unknown).count();
        tracing::info!(
            chat = %self.chat.id, calls = finished.len(), resent, unknown, "calls of an earlier runner are settled"
        );
        self.commit_results(asked, &finished, error).await
    }

    /// Makes those calls again that may be, and gives what came of them.
    async fn send_again(
        &mut self,
        asked: &ChatMessage,
        ledger: &Ledger,
    ) -> Result<HashMap<String, Finished>, Exit> {
        let none = HashMap::new();
        if self.is_stopping() {
            return Ok(none);
        }
        let own = builtins::offered(self.step_facts());
        let own_again = |call: &ToolCallPart| {
            let tool = builtins::of_call(call)?;
            let offered = own.iter().any(|offered| offered.name() == tool.name());
            offered.then(|| plan_own_again(call, tool)).flatten()
        };
        let safe = if ledger.values().any(may_be_sent_again) {
            self.safe_to_repeat(ledger).await
        } else {
            HashSet::new()
        };
        // The servers are asked only for calls that go to them.
        let toolbox = match safe.is_empty() {
            true => Toolbox::default(),
            false => match self.toolbox().await {
                Ok(toolbox) => toolbox,
                // What was open is settled all the same, with the end of the turn.
                Err(Exit::Stopped) => return Ok(none),
                Err(exit) => return Err(exit),
            },
        };
        let planned: Vec<Planned> = tool_calls(asked)
            .filter_map(|call| {
                let Some(record) = ledger.get(&call.tool_call_id) else { return own_again(call) };
                if !safe.contains(call.tool_call_id.as_str()) {
                    return None;
                }
                let offered = toolbox.find(record.intent.mcp_server_id, &record.intent.original_name)?;
                plan_again(call, record, offered)
            })
            .collect();
        if planned.is_empty() {
            return Ok(none);
        }
        self.name_owner().await;
        let finished = self.dispatch(asked, planned).await?;
        Ok(finished.into_iter().map(|done| (done.part.tool_call_id.clone(), done)).collect())
    }

    /// The ids of the open calls whose tools are on the list of their server now. Each server is read once.
    async fn safe_to_repeat<'a>(&self, ledger: &'a Ledger) -> HashSet<&'a str> {
        let open: Vec<_> = ledger.iter().filter(|(_, record)| may_be_sent_again(record)).collect();
        let ids: HashSet<Uuid> = open.iter().map(|(_, record)| record.intent.mcp_server_id).collect();
        let mut servers: HashMap<Uuid, ServerRecord> = HashMap::new();
        for id in ids {
            servers.extend(self.server_now(id).await.map(|server| (id, server)));
        }
        open.into_iter()
            .filter(|(_, ToolCallRecord { intent, .. })| {
                let server = servers.get(&intent.mcp_server_id);
                server.is_some_and(|server| safe_to_repeat(server, &intent.original_name))
            })
            .map(|(id, _)| id.as_str())
            .collect()
    }

    /// `None`: gone, or it could not be read; neither is a reason to send something twice.
    async fn server_now(&self, server_id: Uuid) -> Option<ServerRecord> {
        let deps = &self.shared.deps;
        // A tool of a workspace is never sent again.
        if domain::workspace::is_entry_id(server_id) {
            return None;
        }
        let reading = deps.servers.call_server(self.scope(), server_id);
        match reading.await {
            Ok(server) => server.map(|server| server.record),
            Err(error) => {
                tracing::warn!(server = %server_id, %error, "a call is not sent again: its server could not be read");
                None
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.chat.status == ChatStatus::Interrupting || self.stop.is_cancelled()
    }

    fn settle_call(
        &self,
        call: &ToolCallPart,
        record: Option<ToolCallRecord>,
        action: Option<&ActionRecord>,
        (held, asking): (bool, bool),
    ) -> Finished {
        let now = self.shared.deps.clock.now();
        let Some(record) = record else {
            let words = if held && self.is_stopping() { NOT_SENT } else { NEVER_SENT };
            let (outcome, words) = match builtins::of_call(call) {
                Some(_) if !self.parked => (ToolOutcome::Unknown, OWN_UNKNOWN),
                _ => (ToolOutcome::Cancelled, words),
            };
            let part = action
                .and_then(|action| waited_result(call, action, now))
                .unwrap_or_else(|| own_result(call, outcome, words, now));
            return Finished { part, ledger: None, settled: true };
        };
        let slug = call.server.as_ref().map_or("", |server| server.slug.as_str());
        let line = LedgerLine {
            server_id: record.intent.mcp_server_id,
            name: format!("{slug}/{}", record.intent.original_name),
            argument_hash: record.intent.argument_hash,
            started_at: record.intent.intent_at,
        };
        match (record.outcome, record.result) {
            (Some(_), Some(part)) => Finished { part, ledger: Some(line), settled: true },
            // It asked somebody when its runner died: nobody can give the answer any more.
            (None, _) if asking => {
                let part = own_result(call, ToolOutcome::Cancelled, ASKED_AND_LOST, now);
                Finished { part, ledger: Some(line), settled: false }
            }
            // An outcome without a result is committed together with the message of the results, so the message would be there.
            (outcome, _) => {
                let part = own_result(call, ToolOutcome::Unknown, UNKNOWN, now);
                Finished { part, ledger: Some(line), settled: outcome.is_some() }
            }
        }
    }
}

/// Its server has asked somebody and has no answer.
fn asks(actions: &[ActionRecord], call: &ToolCallPart) -> bool {
    actions.iter().any(|action| {
        action.kind == ActionKind::Elicitation
            && action.tool_call_id == call.tool_call_id
            && matches!(action.state, ActionState::Open | ActionState::Expired)
    })
}

/// Nothing was heard of it, and it was not sent as often as may be.
fn may_be_sent_again(record: &ToolCallRecord) -> bool {
    record.outcome.is_none() && record.attempts <= limits::RESENDS
}
