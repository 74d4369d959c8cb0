//! Chats over REST (behaviour 17 and 18).

use crate::{
    Timestamp,
    messages::{ChatMessage, Part},
    servers::AuthStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The five statuses of behaviour 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatStatus {
    /// Idle.
    Waiting,
    /// A turn is under way or due.
    Running,
    /// A stop was asked for; partial output is being committed.
    Interrupting,
    /// Waits for a person or a client.
    RequiresAction,
    /// The last turn failed; `last_error` says why.
    Error,
}

impl ChatStatus {
    pub const ALL: [ChatStatus; 5] =
        [Self::Waiting, Self::Running, Self::Interrupting, Self::RequiresAction, Self::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Interrupting => "interrupting",
            Self::RequiresAction => "requires_action",
            Self::Error => "error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// A turn is under way or being stopped.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Running | Self::Interrupting | Self::RequiresAction)
    }
}

/// What a subagent is for (behaviour 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatMode {
    /// Works with the servers of its parent.
    General,
    /// Finds something out, with the servers that its parent had when it was made.
    Explore,
}

impl ChatMode {
    pub const ALL: [ChatMode; 2] = [Self::General, Self::Explore];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Explore => "explore",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Whether a chat works toward a plan first (behaviour 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum PlanMode {
    #[default]
    #[serde(rename = "")]
    Off,
    #[serde(rename = "plan")]
    Plan,
}

/// By hand: the derived one knows no empty name.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for PlanMode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .description(Some("Whether a chat works toward a plan first (behaviour 22)."))
            .build()
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for PlanMode {}

impl TryFrom<String> for PlanMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("use plan, or leave it empty")
    }
}

impl PlanMode {
    pub const ALL: [PlanMode; 2] = [Self::Off, Self::Plan];
    /// Action of the audit log.
    pub const SWITCHED: &'static str = "chat.plan_mode_switched";

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Plan => "plan",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// As the audit log says it.
    pub fn fact(self) -> String {
        format!("plan_mode={}", if self.is_plan() { "plan" } else { "off" })
    }

    /// The chat plans.
    pub fn is_plan(self) -> bool {
        self == Self::Plan
    }
}

/// Why the last turn failed and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TurnError {
    /// Stable code: `model_auth`, `model_unavailable`, `model_missing`, `model_refused`, `context_overflow`, `servers_unavailable`,
    /// `step_limit`, `interrupted_stream`, `account_suspended`, `internal`.
    pub code: String,
    /// A sentence for people: what happened, why, what to do.
    pub message: String,
    pub retryable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Chat {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub owner_id: Uuid,
    pub workspace_id: Option<Uuid>,
    /// Of a subagent: the chat that it works for.
    pub parent_chat_id: Option<Uuid>,
    /// Of a subagent: the chat at the top, which is its parent.
    pub root_chat_id: Option<Uuid>,
    /// What a subagent is for; null for ordinary chats.
    #[serde(default)]
    pub mode: Option<ChatMode>,
    pub last_model_config_id: Option<Uuid>,
    pub title: String,
    pub status: ChatStatus,
    pub last_error: Option<TurnError>,
    pub archived: bool,
    /// Of the next turn; the one that runs keeps what it began with.
    #[serde(default)]
    pub plan_mode: PlanMode,
    /// Of the stored plan: +1 with every change; 0: there is none.
    #[serde(default)]
    pub plan_version: i64,
    pub mcp_server_ids: Vec<Uuid>,
    pub labels: BTreeMap<String, String>,
    /// Place among the pinned chats of the list, ascending; 0: not pinned.
    #[serde(default)]
    pub pin_order: i64,
    /// Its subagents, the oldest first, in answers to GET; they have none themselves.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub children: Vec<Chat>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A piece of user input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum InputPart {
    Text { text: String },
}

/// `POST /api/experimental/chats`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ChatCreate {
    pub content: Vec<InputPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    /// Omitted or null: the server defaults (behaviour 16). `[]`: only forced ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server_ids: Option<Vec<Uuid>>,
    /// Accepted and ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<Uuid>,
    /// `ui` or `api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
    /// `plan`: the chat begins in plan mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode: Option<PlanMode>,
}

/// What a message does to a turn that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BusyBehavior {
    /// It waits until that turn and those of the messages before it are over.
    #[default]
    Queue,
    /// The turn is stopped, and this message is next.
    Interrupt,
}

/// A message that waits for the turn before it. Its id names it in the queue only; the message it becomes has another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuedMessage {
    pub id: i64,
    pub chat_id: Uuid,
    pub content: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    /// What the chat is set to when its turn begins; absent: no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_mode: Option<PlanMode>,
    pub created_at: Timestamp,
}

/// `POST /api/experimental/chats/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MessageCreate {
    pub content: Vec<InputPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server_ids: Option<Vec<Uuid>>,
    /// While a turn runs. Omitted: `queue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_behavior: Option<BusyBehavior>,
    /// Switches plan mode for its turn and those after it; omitted: no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode: Option<PlanMode>,
}

/// `PATCH /api/experimental/chats/{id}/messages/{m}`: edit a user message and rerun from there. Without `content`
/// the same text runs again; after a failed turn it goes on where it failed, so that no finished tool runs twice.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MessageEdit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<InputPart>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server_ids: Option<Vec<Uuid>>,
    /// Switches plan mode for the turn that begins and those after it; omitted: no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode: Option<PlanMode>,
}

/// `PATCH /api/experimental/chats/{id}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ChatUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Put away or taken back. A chat whose turn runs cannot be put away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Place among the pinned chats of the list, from 1; 0 takes it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_order: Option<i64>,
    /// Replaces all labels; at most 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `plan` or empty, from the next turn on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode: Option<PlanMode>,
}

/// A server the turn cannot use until the caller acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthRequired {
    pub server_id: Uuid,
    pub auth_status: AuthStatus,
    pub connect_url: String,
}

/// Answer to a message POST or edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageSent {
    /// The user's message in the history; null while it waits in the queue.
    pub message: Option<ChatMessage>,
    /// With `Prefer: wait=N` every message of the turn so far, else only the user's; none while it waits.
    pub messages: Vec<ChatMessage>,
    pub status: ChatStatus,
    /// It waits for the turn before it.
    pub queued: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_message: Option<QueuedMessage>,
    pub warnings: Vec<String>,
    pub auth_required: Vec<AuthRequired>,
}

/// Answer to a chat POST: the chat, and the turn as in [`MessageSent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatCreated {
    #[serde(flatten)]
    pub chat: Chat,
    pub messages: Vec<ChatMessage>,
    pub warnings: Vec<String>,
    pub auth_required: Vec<AuthRequired>,
}

/// `GET …/messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessagePage {
    pub messages: Vec<ChatMessage>,
    /// What waits, in order.
    pub queued_messages: Vec<QueuedMessage>,
    pub has_more: bool,
}
