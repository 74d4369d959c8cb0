//! Events of the live stream (behaviour 19). Each SSE event has an opaque `id`, `event` = the type, and this JSON as `data`.

use crate::{
    actions::ChatAction,
    chats::{ChatStatus, PlanMode, QueuedMessage, TurnError},
    check::ServerOutcome,
    messages::{ChatMessage, MessageRole, Part},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamEvent {
    pub chat_id: Uuid,
    #[serde(flatten)]
    pub payload: StreamPayload,
}

/// The member named after the type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamPayload {
    /// A committed message.
    Message {
        message: ChatMessage,
    },
    /// A piece of the running answer.
    MessagePart {
        message_part: LivePart,
    },
    Status {
        status: StatusChange,
    },
    /// The turn failed.
    Error {
        error: TurnError,
    },
    /// The model is asked again.
    Retry {
        retry: RetryNotice,
    },
    /// Drop the partial output of this attempt.
    PreviewReset {
        preview_reset: PreviewReset,
    },
    /// Drop everything; a snapshot follows.
    HistoryReset {
        history_reset: HistoryReset,
    },
    /// Connect outcomes of this turn.
    McpStatus {
        mcp_status: Vec<ServerOutcome>,
    },
    ToolProgress {
        tool_progress: ToolProgress,
    },
    /// The whole queue, in order.
    QueueUpdate {
        queue_update: Vec<QueuedMessage>,
    },
    /// Everything that the turn waits for, in order, with what of it is decided already. It is over when the status is no longer
    /// `requires_action`.
    ActionRequired {
        action_required: Vec<ChatAction>,
    },
}

impl StreamPayload {
    /// The SSE `event` name.
    pub fn event_name(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::MessagePart { .. } => "message_part",
            Self::Status { .. } => "status",
            Self::Error { .. } => "error",
            Self::Retry { .. } => "retry",
            Self::PreviewReset { .. } => "preview_reset",
            Self::HistoryReset { .. } => "history_reset",
            Self::McpStatus { .. } => "mcp_status",
            Self::ToolProgress { .. } => "tool_progress",
            Self::QueueUpdate { .. } => "queue_update",
            Self::ActionRequired { .. } => "action_required",
        }
    }

    /// Every SSE `event` name, for clients that must subscribe to each.
    pub const EVENT_NAMES: [&'static str; 11] = [
        "message",
        "message_part",
        "status",
        "error",
        "retry",
        "preview_reset",
        "history_reset",
        "mcp_status",
        "tool_progress",
        "queue_update",
        "action_required",
    ];
}

/// A piece of the running answer: text and reasoning parts carry the next piece, tool calls `args_delta`, finished results the whole part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LivePart {
    pub role: MessageRole,
    pub part: Part,
    /// Which try of the generation; a higher one replaces all parts of the lower.
    pub attempt: i64,
    /// Ascends within an attempt.
    pub sequence: i64,
    /// The history the generation started from; a committed message with this step's output makes it stale.
    pub history_version: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusChange {
    pub status: ChatStatus,
    #[serde(default)]
    pub last_error: Option<TurnError>,
    pub title: String,
    /// The chat was put away.
    #[serde(default)]
    pub archived: bool,
    /// The turn is due and waits for a free place.
    #[serde(default)]
    pub queued_for_capacity: bool,
    /// Of the next turn.
    #[serde(default)]
    pub plan_mode: PlanMode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetryNotice {
    pub attempt: i64,
    /// Milliseconds until the next try.
    pub delay_ms: i64,
    pub cause: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewReset {
    pub attempt: i64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryReset {}

/// Progress of a running call; `fraction` in 0..=1 when the server named a total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolProgress {
    pub tool_call_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    pub progress: f64,
    #[serde(default)]
    pub message: String,
}
