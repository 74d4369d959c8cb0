//! What a turn waits for: an approval, a tool that the client runs, an answer to a server (behaviour 15 and 18).

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Who or what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// The owner of the chat, to let a call go out or not: `POST …/approvals/{id}`.
    Approval,
    /// The client that brought the tool, for its result: `POST …/tool-results`.
    ClientTool,
    /// The owner of the chat, to answer a server that asks during a call: `POST …/elicitations/{id}`.
    Elicitation,
}

impl ActionKind {
    pub const ALL: [ActionKind; 3] = [Self::Approval, Self::ClientTool, Self::Elicitation];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::ClientTool => "client_tool",
            Self::Elicitation => "elicitation",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Nobody has decided.
    Open,
    /// The call may go out, once.
    Approved,
    Denied,
    /// The result or the answer is there.
    Answered,
    /// Nobody decided in time.
    Expired,
    /// The turn was stopped, or went another way.
    Cancelled,
    /// The call went out on this approval: it serves for nothing else.
    Used,
}

impl ActionState {
    pub const ALL: [ActionState; 7] = [
        Self::Open,
        Self::Approved,
        Self::Denied,
        Self::Answered,
        Self::Expired,
        Self::Cancelled,
        Self::Used,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Used => "used",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One thing that a turn waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatAction {
    pub id: Uuid,
    pub kind: ActionKind,
    pub state: ActionState,
    /// The message whose call waits.
    pub message_id: i64,
    pub tool_call_id: String,
    /// As the model sees the tool.
    pub tool_name: String,
    /// As its server names it; absent where the client brought the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_server_config_id: Option<Uuid>,
    /// Name of that server for people.
    #[serde(default)]
    pub server_name: String,
    /// Exactly what will be sent.
    pub arguments: Value,
    /// What the server asks, where it is a server that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    pub asked_at: Timestamp,
    /// Until when it can be decided.
    pub expires_at: Timestamp,
}

/// What a server asks during a call. Every text is plain text; nothing in it is a link but `url`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Question {
    pub message: String,
    /// Fields to fill in; none asks for a yes or no.
    #[serde(default)]
    pub fields: Vec<QuestionField>,
    /// A page to visit instead. Patchbay neither fetches nor opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The domain of `url`.
    #[serde(default)]
    pub host: String,
    /// What to look at before following `url`.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A field of a server's form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionField {
    pub name: String,
    pub label: String,
    #[serde(default)]
    pub description: String,
    pub required: bool,
    /// `text`, `number`, `integer`, `boolean`, `one`, `many`.
    pub kind: String,
    /// Of `one` and `many`.
    #[serde(default)]
    pub options: Vec<QuestionOption>,
    /// What is filled in beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// An option of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionOption {
    pub value: String,
    pub label: String,
}

/// `POST …/approvals/{approval}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalDecision {
    pub decision: Decision,
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Deny,
}

/// `POST …/elicitations/{elicitation}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ElicitationAnswer {
    /// `accept`, `decline`, `cancel`.
    pub action: String,
    /// The values of the form by the names of its fields; only with `accept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<serde_json::Map<String, Value>>,
}

/// `POST …/tool-results`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolResults {
    pub results: Vec<ClientToolResult>,
}

/// What came of a tool that the client runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientToolResult {
    pub tool_call_id: String,
    /// A text, or any other JSON.
    #[serde(default)]
    pub output: Value,
    /// The tool failed; `output` says how.
    #[serde(default)]
    pub is_error: bool,
    /// The tool was not run and will not be; `output` is not read.
    #[serde(default)]
    pub cancelled: bool,
}

/// A tool that the client of a chat brings and runs itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DynamicTool {
    /// 1 to 64 of a-z, A-Z, 0-9, `_` and `-`, without `__`: such names belong to the tools of servers.
    pub name: String,
    pub description: String,
    /// A JSON Schema of an object; omitted: no arguments.
    pub input_schema: Value,
}
