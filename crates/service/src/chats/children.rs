//! Subagents for the person whose chats they work for (behaviour 21): seen below their chat, and stopped, put away and deleted with
//! it. What they do is asked of them by their chat alone, so nobody else writes to them.

use super::turns::state_of;
use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid,
    chats::{Chat, ChatStatus},
};
use domain::chat::{ChatEvent, transition};
use std::collections::HashMap;
use store::{
    Session, Write,
    chats::{self, ChatRecord, LeaseChange, Transition},
};

/// Subagents that a transaction stopped or moved, to be told of when it is committed.
#[derive(Debug, Default)]
pub(super) struct ChildrenMoved(Vec<ChatRecord>);

/// With the subagents of each.
pub(super) async fn with_children(session: &mut Session, records: &[ChatRecord]) -> Result<Vec<Chat>> {
    let parents: Vec<Uuid> =
        records.iter().filter(|record| record.parent_chat_id.is_none()).map(|record| record.id).collect();
    let mut below: HashMap<Uuid, Vec<Chat>> = HashMap::new();
    for child in chats::chats_children(session, &parents).await? {
        if let Some(parent) = child.parent_chat_id {
            below.entry(parent).or_default().push(child.to_wire());
        }
    }
    let tree = records
        .iter()
        .map(|record| Chat { children: below.remove(&record.id).unwrap_or_default(), ..record.to_wire() });
    Ok(tree.collect())
}

/// Refuses what only the chat above may do.
pub(super) fn not_a_child(record: &ChatRecord) -> Result<()> {
    match record.parent_chat_id {
        None => Ok(()),
        Some(_) => Err(Error::conflict(
            "This is a subagent: it does what its chat asks of it, and is put away with that chat. Write to that chat instead.",
        )),
    }
}

impl Service {
    /// Stops what the subagents of a chat do, in the transaction that stops the chat: also what waits there is not begun. The caller has
    /// the row lock of the parent.
    pub(super) async fn children_stop(&self, write: &mut Write, parent: Uuid) -> Result<ChildrenMoved> {
        let mut moved = Vec::new();
        for child in chats::chat_children_for_update(write, parent).await? {
            let (busy, waits) = (child.status.is_busy(), child.queue_length > 0);
            if !busy || (child.status == ChatStatus::Interrupting && !waits) {
                continue;
            }
            let step = Transition::to(ChatStatus::Interrupting, self.now()).queue(-child.queue_length);
            let after = chats::chat_transition(write, &child.fence(), &step).await?;
            if waits {
                chats::queue_clear(write, child.id).await?;
                chats::compaction_request_delete(write, child.id).await?;
                store::actions::actions_cancel(write, child.id, 0).await?;
            }
            moved.extend(after);
        }
        Ok(ChildrenMoved(moved))
    }

    /// Puts the subagents away with their chat, or takes them back with it. What they do ends where it is: a chat that was put away has no
    /// turn. Calls under way end as unknown.
    pub(super) async fn children_archive(
        &self,
        ctx: &OpContext,
        write: &mut Write,
        parent: Uuid,
        archived: bool,
    ) -> Result<ChildrenMoved> {
        let mut moved = Vec::new();
        for child in chats::chat_children_for_update(write, parent).await? {
            if child.archived == archived {
                continue;
            }
            let mut child = if archived { self.child_end(ctx, write, child).await? } else { child };
            let event = if archived { ChatEvent::Archive } else { ChatEvent::Unarchive };
            let next = transition(state_of(&child), event).map_err(|e| Error::conflict(e.to_string()))?;
            child.archived = next.archived;
            chats::chat_update_fields(write, &child).await?;
            child.snapshot_version += 1;
            moved.push(child);
        }
        Ok(ChildrenMoved(moved))
    }

    /// Takes the turn from whoever runs it, as an edit does: the fence of its runner is gone with the history.
    async fn child_end(&self, ctx: &OpContext, write: &mut Write, child: ChatRecord) -> Result<ChatRecord> {
        if !child.status.is_busy() {
            return Ok(child);
        }
        let step = Transition::to(ChatStatus::Waiting, self.now())
            .history()
            .queue(-child.queue_length)
            .lease(LeaseChange::Release);
        let after = chats::chat_transition(write, &child.fence(), &step).await?;
        chats::queue_clear(write, child.id).await?;
        for call in store::tool_calls::tool_calls_abandon(write, child.id, 0, self.now()).await? {
            let intent = call.intent;
            let facts = vec![
                format!("chat={}", child.id),
                format!("argument_hash={}", intent.argument_hash),
                "outcome=unknown".to_owned(),
            ];
            let act = Act::on("tool_call.ended", "mcp_server", intent.mcp_server_id, &intent.exposed_name)
                .fields(facts);
            self.audit_outcome(write, ctx, act, "failed").await?;
        }
        after.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))
    }

    /// Tells those who watch, and the runners here, what became of subagents.
    pub(super) fn children_announce(&self, moved: &ChildrenMoved) {
        let chatd = &self.deps().chatd;
        for child in &moved.0 {
            self.status_announce(child);
            if child.queue_length == 0 {
                chatd.queue_changed(child, Vec::new());
            }
            if child.status == ChatStatus::Interrupting || child.archived {
                chatd.interrupt(child.id);
            }
        }
    }
}
