//! Whether the servers of the chat's workspace take part in a turn (behaviour 23).

use super::Runner;
use api::{Uuid, chats::ChatMode};
use domain::plan_mode::{Origin, admission};

impl Runner {
    /// Asked when the tools of a step are gathered; right before each call the same rule is asked again. What explores has a fixed set of
    /// servers, and nothing of a workspace is in it.
    pub(super) fn uses_workspace(&self) -> bool {
        self.chat.mode != Some(ChatMode::Explore) && admission(self.mode(), Origin::Workspace).admits()
    }

    /// The chat at the top: the workspace of a subagent is that of the chat it works for.
    pub(super) fn root_chat(&self) -> Uuid {
        self.chat.parent_chat_id.unwrap_or(self.chat.id)
    }
}
