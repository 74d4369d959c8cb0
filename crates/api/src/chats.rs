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
    pub parent_chat_id: Option<Uuid>,
    pub root_chat_id: Option<Uuid>,
    pub last_model_config_id: Option<Uuid>,
    pub title: String,
    pub status: ChatStatus,
    pub last_error: Option<TurnError>,
    pub archived: bool,
    pub mcp_server_ids: Vec<Uuid>,
    pub labels: BTreeMap<String, String>,
    /// Place among the pinned chats of the list, ascending; 0: not pinned.
    #[serde(default)]
    pub pin_order: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A piece of user input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum InputPart {
    Text {
        text: String,
    },
    /// A file that was stored before (`POST /api/experimental/chats/files`).
    File {
        file_id: Uuid,
    },
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatFile {
    pub id: Uuid,
    pub name: String,
    /// What it is, as far as its bytes bear that out.
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    pub created_at: Timestamp,
}

/// Tells a member that is null from one that is absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
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
    /// An own workspace, whose servers the chat uses (behaviour 23).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Uuid>,
    /// Accepted and ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<Uuid>,
    /// `ui` or `api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
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
    /// Binds the chat to an own workspace from the next step on; null takes it out of the one it is in.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Uuid>))]
    pub workspace_id: Option<Option<Uuid>>,
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
