//! Whether the servers of the chat's workspace take part in a turn (behaviour 23).

use super::Runner;
use domain::workspace::{TurnKind, servers_take_part};

impl Runner {
    /// Asked once when the tools of a step are gathered, and again with each answer whose calls are sent.
    pub(super) fn uses_workspace(&self) -> bool {
        servers_take_part(self.turn_kind())
    }

    /// What the chat is set to.
    #[expect(clippy::unused_self, reason = "the mode will be read from the chat")]
    fn turn_kind(&self) -> TurnKind {
        TurnKind::Normal
    }
}
