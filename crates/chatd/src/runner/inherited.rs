//! What a subagent's turn has from its parent (behaviour 16 and 21): servers and plan mode as they are there now, read anew for each step
//! and again right before each call.

use super::Runner;
use api::Uuid;
use domain::{
    plan_mode::TurnMode,
    subagents::{Selected, servers_of},
};
use store::{
    Db, StoreError,
    chats::{ChatRecord, chat_get_any},
};

/// As it is at one moment.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    pub(super) selected: Selected,
    pub(super) mode: TurnMode,
}

impl Inherited {
    /// `None` for ordinary chats, which have everything from themselves.
    pub(super) async fn load(db: &Db, chat: &ChatRecord) -> Result<Option<Self>, StoreError> {
        if chat.parent_chat_id.is_none() && chat.mode.is_none() {
            return Ok(None);
        }
        let parent = match chat.parent_chat_id {
            Some(parent) => chat_get_any(&mut db.read().await?, parent).await?,
            None => None,
        };
        Ok(Some(Self::of(chat, parent.as_ref())))
    }

    fn of(chat: &ChatRecord, parent: Option<&ChatRecord>) -> Self {
        let plan = parent.map(|parent| {
            // The turn that runs keeps what it began with; an idle chat has what its next turn will have.
            if parent.status.is_busy() { parent.turn_plan_mode } else { parent.plan_mode }
        });
        Self {
            selected: servers_of(
                chat.mode,
                &chat.mcp_server_ids,
                parent.map(|parent| parent.mcp_server_ids.as_slice()),
            ),
            mode: plan.map_or(TurnMode::Normal, TurnMode::of_subagent),
        }
    }

    /// Whether the chat's own list lets the server in; the gates are asked besides.
    pub(super) fn may_be(&self, server: Uuid) -> bool {
        self.selected.may_be(server)
    }
}

impl Runner {
    /// Looks at the parent again.
    pub(super) async fn inherit(&mut self) -> Result<(), StoreError> {
        self.inherited = Inherited::load(&self.shared.deps.db, &self.chat).await?;
        Ok(())
    }
}
