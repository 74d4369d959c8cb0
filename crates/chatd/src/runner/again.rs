//! Sends a call again of which nobody knows what came of it (behaviour 15). Only where the admin says that its tool is safe to run
//! twice, by the lists and rules of that moment; what the server says of its tool decides nothing. Every sending is in the ledger
//! before it happens, and there is an end to them.

use super::{
    audit::Said,
    calls::Sendable,
    dispatch::{CallContext, name_of},
};
use crate::{error::Exit, limits};
use api::messages::{ToolCallPart, ToolOutcome, ToolResultPart};
use domain::tools::safe_to_repeat;
use std::sync::atomic::Ordering;
use store::{
    StoreError,
    tool_calls::{ResendWrite, tool_call_resend},
};

impl CallContext {
    /// The call once more; `before` is what is known of it so far. Unless the server answers that stays what is known: whatever keeps
    /// it from going out now, the earlier sending may have happened.
    pub(super) async fn call_again(
        &self,
        call: &ToolCallPart,
        sendable: &Sendable,
        at: usize,
        before: ToolResultPart,
    ) -> Result<ToolResultPart, Exit> {
        self.sent[at].store(true, Ordering::SeqCst);
        if self.cancel.is_cancelled() || !self.count_again(call, sendable).await {
            return Ok(before);
        }
        let done = self.try_call(call, sendable, at, true).await?;
        let part = self.part_of(call, done);
        Ok(if part.outcome == ToolOutcome::Ok {
            part
        } else {
            ToolResultPart { needs: part.needs, created_at: part.created_at, ..before }
        })
    }

    /// Whether the lists say by now that this tool is safe to run twice. A server that is gone or cannot be read says nothing.
    pub(super) async fn may_repeat(&self, sendable: &Sendable) -> bool {
        let (server, tool) = (sendable.offered.server.record.id, &sendable.offered.tool().name);
        let now = self.shared.deps.servers.call_server(self.scope(), server).await;
        match now {
            Ok(now) => now.is_some_and(|now| safe_to_repeat(&now.record, tool)),
            Err(error) => {
                tracing::warn!(%server, %error, "a call is not sent again: its server could not be read");
                false
            }
        }
    }

    /// Commits that the call is about to be sent again, fenced as every write of a turn. False: it must not be, or it could not be
    /// written down.
    async fn count_again(&self, call: &ToolCallPart, sendable: &Sendable) -> bool {
        match self.counted_again(call, sendable).await {
            Ok(counted) => counted,
            Err(error) => {
                tracing::warn!(chat = %self.actor.chat, server = %name_of(&sendable.offered), %error, "a call is not sent again");
                false
            }
        }
    }

    async fn counted_again(&self, call: &ToolCallPart, sendable: &Sendable) -> Result<bool, StoreError> {
        let deps = &self.shared.deps;
        let again = ResendWrite {
            chat_id: self.actor.chat,
            message_id: self.asked,
            tool_call_id: &call.tool_call_id,
            credential_version: sendable.offered.server.record.credential_version,
            lease_epoch: self.lease.epoch,
            most: limits::RESENDS + 1,
        };
        let mut write = deps.db.write().await?;
        let Some(attempts) = tool_call_resend(&mut write, again).await? else { return Ok(false) };
        let line = sendable.line(self.asked_at);
        self.actor.audit(&mut write, deps, &line, Said::Resent(attempts - 1)).await?;
        write.commit().await?;
        Ok(true)
    }
}
