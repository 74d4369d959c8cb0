//! What an earlier runner left: calls without results (behaviour 15). None of them is ever sent again.

use super::{
    Runner,
    calls::{Finished, LedgerLine},
    results::{NEVER_SENT, UNKNOWN, own_result},
    transcript::tool_calls,
};
use crate::error::Exit;
use api::{
    chats::TurnError,
    messages::{ChatMessage, ToolCallPart, ToolOutcome},
};
use std::collections::HashMap;
use store::tool_calls::ToolCallRecord;

impl Runner {
    /// Answers the calls of `asked` from the ledger and commits the results; with `error` as the end of the turn.
    pub(super) async fn settle(
        &mut self,
        asked: &ChatMessage,
        error: Option<&TurnError>,
    ) -> Result<ChatMessage, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        let ledger = store::tool_calls::tool_calls_of(&mut session, self.chat.id, asked.id).await?;
        drop(session);
        let mut ledger: HashMap<String, ToolCallRecord> =
            ledger.into_iter().map(|record| (record.intent.tool_call_id.clone(), record)).collect();
        let finished: Vec<Finished> =
            tool_calls(asked).map(|call| self.settle_call(call, ledger.remove(&call.tool_call_id))).collect();
        let unknown = finished.iter().filter(|done| done.part.outcome == ToolOutcome::Unknown).count();
        tracing::info!(chat = %self.chat.id, calls = finished.len(), unknown, "calls of an earlier runner are settled");
        self.commit_results(asked, &finished, error).await
    }

    fn settle_call(&self, call: &ToolCallPart, record: Option<ToolCallRecord>) -> Finished {
        let now = self.shared.deps.clock.now();
        let Some(record) = record else {
            let part = own_result(call, ToolOutcome::Cancelled, NEVER_SENT, now);
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
            // An outcome without a result is committed together with the message of the results, so the message would be there.
            (outcome, _) => {
                let part = own_result(call, ToolOutcome::Unknown, UNKNOWN, now);
                Finished { part, ledger: Some(line), settled: outcome.is_some() }
            }
        }
    }
}
