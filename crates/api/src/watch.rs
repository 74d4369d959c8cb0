//! Events of the chat list (behaviour 19, `/watch`). Each SSE event has an opaque `id`, `event` = the kind, and this JSON as `data`.

use crate::chats::Chat;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WatchKind {
    /// The list may have changed in ways that are not told: read it anew. What happens from here on is told.
    Reset,
    /// A chat is there that was not.
    Created,
    /// Status, error, archived, place, labels, model or servers changed.
    StatusChange,
    TitleChange,
    /// The chat waits for a person or a client; a `status_change` goes before it.
    ActionRequired,
    Deleted,
}

impl WatchKind {
    pub const ALL: [WatchKind; 6] = [
        Self::Reset,
        Self::Created,
        Self::StatusChange,
        Self::TitleChange,
        Self::ActionRequired,
        Self::Deleted,
    ];

    /// The SSE `event` name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Created => "created",
            Self::StatusChange => "status_change",
            Self::TitleChange => "title_change",
            Self::ActionRequired => "action_required",
            Self::Deleted => "deleted",
        }
    }
}

/// One event of the chat list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchEvent {
    pub kind: WatchKind,
    /// The chat as it is now, of `deleted` as it was last; absent in a `reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Chat>,
}
