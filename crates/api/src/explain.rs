//! The answer of `GET /{id}/explain` (behaviour 4): every gate between a user and a server's tools, with its verdict.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What stands between a user and a tool, in the order in which it is asked. Later issues add theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The user's account may act.
    Account,
    /// The server is switched on.
    Enabled,
    /// The server is open to the user.
    Group,
    /// The server takes part in the chat: forced, chosen, or a default of new chats.
    Selection,
    /// Plan mode: in a chat that plans, an admin let all tools of the server into it.
    PlanMode,
    /// The server's configuration is complete and readable.
    Configured,
    /// The user has connected the account that the server asks for.
    Connected,
    /// The allow list of the server.
    AllowList,
    /// The deny list of the server.
    DenyList,
    /// The tool's definition is one that was accepted, where changed ones are held back.
    Definition,
    /// The approval list of the server. It passes always: a matching call waits for the owner of the chat.
    Approval,
}

impl Gate {
    pub const ALL: [Gate; 11] = [
        Self::Account,
        Self::Enabled,
        Self::Group,
        Self::Selection,
        Self::PlanMode,
        Self::Configured,
        Self::Connected,
        Self::AllowList,
        Self::DenyList,
        Self::Definition,
        Self::Approval,
    ];
}

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    Pass,
    Fail,
    /// There is nothing to ask here, such as an empty deny list.
    NotApplicable,
}

/// One gate with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainedGate {
    pub gate: Gate,
    pub verdict: GateVerdict,
    /// A sentence for people.
    pub reason: String,
    /// The pattern of the list that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// One tool of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainedTool {
    /// As the server names it.
    pub name: String,
    /// As the model sees it (behaviour 14).
    pub exposed_name: String,
    #[serde(default)]
    pub title: String,
    /// Whether the next turn would offer it: every gate of the server and of the tool passes.
    pub offered: bool,
    /// The first gate that does not pass, one of the server's or one of the tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_gate: Option<Gate>,
    /// The gates that judge this tool alone.
    pub gates: Vec<ExplainedGate>,
}

/// Why a user gets the tools of a server, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerExplanation {
    pub server_id: Uuid,
    pub user_id: Uuid,
    /// The chat that was asked about; absent: a new chat without a list of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<Uuid>,
    /// Whether the next turn would use the server: every gate of the server passes.
    pub offered: bool,
    /// The first gate that does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_gate: Option<Gate>,
    /// The gates of the server, in the order in which they are asked.
    pub gates: Vec<ExplainedGate>,
    /// Whether `tools` is what the server listed to this user last. False when no list is held: explaining never contacts the server.
    pub tools_known: bool,
    pub tools: Vec<ExplainedTool>,
}
