//! What a turn in plan mode may use (behaviour 22). One rule for everything a model can call, asked when tools are offered and again
//! right before each call; nothing else decides.

use api::{
    chats::PlanMode,
    messages::{ToolOutcome, ToolResultPart},
};

/// How a turn runs. It keeps what it began with; a subagent's turns have what its parent's turn has at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TurnMode {
    #[default]
    Normal,
    /// A turn of a root chat in plan mode.
    Plan,
    /// A turn of a subagent whose parent is in plan mode.
    PlanSubagent,
}

impl TurnMode {
    /// Of a root chat.
    pub fn of_root(mode: PlanMode) -> Self {
        match mode {
            PlanMode::Off => Self::Normal,
            PlanMode::Plan => Self::Plan,
        }
    }

    /// Of a subagent, by what its parent's turn is in now.
    pub fn of_subagent(parent: PlanMode) -> Self {
        match parent {
            PlanMode::Off => Self::Normal,
            PlanMode::Plan => Self::PlanSubagent,
        }
    }

    /// Nothing gets changed outside in such a turn.
    pub fn is_plan(self) -> bool {
        self != Self::Normal
    }
}

/// How the sentence on a server that sleeps begins, wherever people read it.
pub const ASLEEP: &str = "Sleeping in plan mode";

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Patchbay's own (behaviour 21); each says for itself in which turns it is offered.
    BuiltIn,
    /// A server that an admin registered.
    Server {
        /// The admin let all of its tools into plan mode.
        allow_in_plan_mode: bool,
    },
    /// A server of a workspace (behaviour 23).
    Workspace,
    /// Executed by the client of the chat (`unsafe_dynamic_tools`).
    Client,
    /// Executed by the provider of the model.
    Provider,
}

/// What the rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The turn is not in plan mode.
    NotAsked,
    /// Usable in plan mode too, where every other rule admits it.
    Admitted,
    /// Sleeps while the chat plans.
    Asleep,
    /// Nothing of this origin works for a subagent of a chat that plans.
    NoSubagents,
}

impl Admission {
    /// Whether plan mode leaves the tool in.
    pub fn admits(self) -> bool {
        matches!(self, Self::NotAsked | Self::Admitted)
    }
}

/// The one rule: what a turn in this mode may use.
pub fn admission(mode: TurnMode, origin: Origin) -> Admission {
    match (mode, origin) {
        (TurnMode::Normal, _) => Admission::NotAsked,
        (_, Origin::BuiltIn) | (TurnMode::Plan, Origin::Server { allow_in_plan_mode: true }) => {
            Admission::Admitted
        }
        (TurnMode::Plan, _) => Admission::Asleep,
        (TurnMode::PlanSubagent, _) => Admission::NoSubagents,
    }
}

/// Name of the built-in that presents the plan.
pub const PROPOSE_PLAN: &str = "propose_plan";

/// Whether this is a plan put before the person: the text of the first part is its Markdown.
pub fn is_presented_plan(result: &ToolResultPart) -> bool {
    result.tool_name == PROPOSE_PLAN
        && result.mcp_server_config_id.is_none()
        && result.outcome == ToolOutcome::Ok
        && !result.is_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_built_ins_and_approved_servers_take_part_in_a_plan_turn() {
        let approved = Origin::Server { allow_in_plan_mode: true };
        let others = [
            Origin::Server { allow_in_plan_mode: false },
            Origin::Workspace,
            Origin::Client,
            Origin::Provider,
        ];
        assert!(
            admission(TurnMode::Plan, approved).admits()
                && admission(TurnMode::Plan, Origin::BuiltIn).admits()
        );
        for origin in others {
            assert_eq!(admission(TurnMode::Plan, origin), Admission::Asleep);
            assert_eq!(admission(TurnMode::Normal, origin), Admission::NotAsked);
        }
    }

    #[test]
    fn a_subagent_of_a_plan_turn_has_nothing_external() {
        for origin in
            [Origin::Server { allow_in_plan_mode: true }, Origin::Workspace, Origin::Client, Origin::Provider]
        {
            assert_eq!(admission(TurnMode::of_subagent(PlanMode::Plan), origin), Admission::NoSubagents);
        }
        assert!(admission(TurnMode::PlanSubagent, Origin::BuiltIn).admits());
        assert_eq!(TurnMode::of_subagent(PlanMode::Off), TurnMode::Normal);
    }
}
